"""Field vectors, commitments, secret sharing, attestation, sealing, noise: bytes in, values out.

This package knows nothing of messages, rounds or roles.
"""
