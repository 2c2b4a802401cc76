"""Verifog off chain: learning, cryptography, protocol, and the nodes that run them."""
