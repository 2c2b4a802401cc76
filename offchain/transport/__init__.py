"""How messages travel: one interface, in one process or over an MQTT broker; knows no roles."""
