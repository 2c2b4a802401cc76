"""Run a cloud of a task."""

from scripts._node import node_command

cli = node_command("cloud", "Run a cloud: it opens rounds and adds up the clusters' sums.")
