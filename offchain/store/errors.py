"""What can go wrong with a node's state. Each error says what to do about it."""

from offchain.errors import VerifogError


class StoreError(VerifogError):
    """Base of every error of the store."""


class StateLocked(StoreError):
    """Another instance of the node uses this state directory."""


class StateMissing(StoreError):
    """There is no state where it should be."""


class StateExists(StoreError):
    """There is a state already: it is never overwritten."""


class StateOfAnother(StoreError):
    """The state belongs to another account, role or task."""


class StateOfOtherVersion(StoreError):
    """The journal was written by other code, which may sign other things when it is replayed."""


class StateCorrupt(StoreError):
    """A file is damaged, or was written with another key."""


class StateUnwritable(StoreError):
    """The disk is full, read-only or failing: nothing was stored, nothing may be sent."""


class WrongKey(StoreError):
    """The passphrase or key file is not the one the state was made with."""


class KeyFileUnsafe(StoreError):
    """A key file can be read by others, or holds no key."""


class ValueMissing(StoreError):
    """Nothing is stored under a name."""
