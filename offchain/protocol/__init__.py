"""The protocol: messages and the three roles as pure state machines (specification, section 3)."""
