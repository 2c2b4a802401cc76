"""What keeps an audit from being made at all; what an audit finds is a finding, not an error."""

from offchain.errors import VerifogError


class AuditError(VerifogError):
    """The public record cannot be read."""
