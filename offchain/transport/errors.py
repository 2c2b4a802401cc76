"""What can go wrong between two nodes. Bad frames are counted, never raised to the node."""

from offchain.errors import VerifogError


class TransportError(VerifogError):
    """Base of every error of the transport."""


class FrameRefused(TransportError):
    """A frame from the network was dropped. ``reason`` names the check in counts and logs."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"frame: {reason}: {detail}")
        self.reason = reason


class MessageRefused(TransportError):
    """A message that this node wants to send is empty or too large."""


class CarrierDown(TransportError):
    """The connection is not there just now; what was to be published has to be tried again."""


class BrokerUnreachable(TransportError):
    """Nothing that speaks TLS answers at the broker's address."""


class BrokerRefused(TransportError):
    """The broker is there and does not take this node: certificate, name or rights."""


class CredentialsError(TransportError):
    """A certificate or key is missing, unreadable, expired or somebody else's."""


class ConfigurationError(TransportError):
    """A setting of a broker or a bridge cannot be written."""
