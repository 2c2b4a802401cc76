"""What can go wrong when a node is set up or run, beside what its parts refuse."""

from offchain.errors import VerifogError


class NodeError(VerifogError):
    """A node cannot start, or cannot go on."""


class ConfigRefused(NodeError):
    """A configuration file is missing, or a value in it is out of its bound; names file and key."""


class KitRefused(NodeError):
    """A file of a start-up kit is missing, damaged or somebody else's."""


class TaskRefused(NodeError):
    """A task file is not what the Authority signed, or not what Contract S says."""
