"""The typed client of Contract S."""
