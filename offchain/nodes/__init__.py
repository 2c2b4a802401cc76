"""The shells that run the roles: over learning, a transport and a chain."""
