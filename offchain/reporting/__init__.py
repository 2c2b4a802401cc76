"""What a run was: its record, and the report, model file, plots, page and terminal output of it.

This package follows a run and writes about it; it takes no part in the protocol. It holds nothing
secret: what reaches it is public or counted.
"""
