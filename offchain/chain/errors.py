"""What can go wrong between a node and Contract S."""

from offchain.errors import VerifogError


class ChainError(VerifogError):
    """A chain or contract is not what it should be."""


class WrongChain(ChainError):
    """The provider serves another chain than the task's."""


class TransactionReverted(ChainError):
    """Contract S refused a call.

    Attributes
    ----------
    error
        Name of the custom error, or a text.
    arguments
        Its values.
    """

    def __init__(self, function: str, error: str, arguments: tuple[object, ...] = ()) -> None:
        self.function = function
        self.error = error
        self.arguments = arguments
        values = ", ".join(_show(value) for value in arguments)
        super().__init__(f"{function}: {error}({values})")


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
