"""Run a device of a task."""

from scripts._node import node_command

cli = node_command(
    "device", "Run a device: it trains on its own rows and takes part in the rounds."
)
