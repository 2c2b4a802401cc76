"""Run a fog of a task."""

from scripts._node import node_command

cli = node_command(
    "fog", "Run the fog of a cluster: it collects, checks and anchors its devices' work."
)
