"""Which model S held when: accepted, provisional, rejected, withdrawn."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ModelHistory:
    """Digests of the committed model over the rounds.

    Attributes
    ----------
    after
        Digest that S held when a round had ended, by round; 0 is the beginning.
    rejected
        Digests of results that were proven false, with their round.
    withdrawn
        Digests that S gave up since nobody built on them, with the round that ended so.
    current
        Digest that S holds.
    provisional
        Whether the current one is the last round's result, on which nobody has anchored.
    """

    current: bytes
    after: dict[int, bytes] = field(default_factory=dict)
    rejected: dict[bytes, int] = field(default_factory=dict)
    withdrawn: dict[bytes, int] = field(default_factory=dict)
    provisional: bool = False
    latest: int = 0

    def __post_init__(self) -> None:
        self.after[0] = self.current

    def opened(self, number: int) -> None:
        """A round was opened."""
        self.latest = number
        self.after[number] = self.current

    def accepted(self, digest: bytes, *, provisional: bool) -> None:
        """The latest round was settled; S holds ``digest``, whatever became of it before."""
        self.rejected.pop(digest, None)
        self.withdrawn.pop(digest, None)
        self.current = self.after[self.latest] = digest
        self.provisional = provisional

    def anchored(self) -> None:
        """A cluster anchored in the latest round: the model before it stays."""
        self.provisional = False

    def rejected_result(self, digest: bytes) -> None:
        """The latest round's result was rejected; S holds ``digest``, the model before it."""
        if digest != self.current:
            self.rejected[self.current] = self.latest
        self.current = self.after[self.latest] = digest
        self.provisional = False

    def withdrew(self, digest: bytes) -> None:
        """Nobody anchored in the latest round; S holds ``digest``, the model before the last."""
        if digest != self.current:
            self.withdrawn[self.current] = self.latest
        self.current = self.after[self.latest] = digest
        self.provisional = False
