"""Which sums were released on one model: two that differ a little show who is apart.

On one model a device's update is the same in every round, so that the sums over two sets show the
sum of whoever is in one of them only (specification, section 4, decision 25).
"""

from collections.abc import Iterable
from typing import NamedTuple

from offchain.protocol.chain import RoundOpened
from offchain.protocol.errors import UnsafeSum

_MOST_SETS = 2  # on one basis: of three, every combination would have to be looked at
_KEPT = 4  # S can go back to the model before its own, and no further


class Basis(NamedTuple):
    """What updates follow from: equal bases, equal updates."""

    model_digest: bytes
    updates_model: bool

    @staticmethod
    def of(opened: RoundOpened) -> "Basis":
        """What a round's updates follow from."""
        return Basis(opened.model_digest, opened.updates_model)


class Releases:
    """The qualified sets over which sums were released, by what their updates followed from.

    Sums over A and B show a A + b B for all a, b: the sum of all of A, of all of B, or of at least
    all that are in one of them only. So a second set is the first one, or differs from it in as
    many as the least sum has; and there is no third.

    Parameters
    ----------
    minimum
        The least that a sum may have (``minQualified``).
    """

    def __init__(self, minimum: int) -> None:
        self._minimum = minimum
        self._sets: dict[Basis, list[frozenset[int]]] = {}
        self._stuck: set[Basis] = set()

    def add(self, basis: Basis, qualified: Iterable[int]) -> None:
        """A sum over ``qualified`` was released."""
        known = self._sets.pop(basis, [])
        one = frozenset(qualified)
        self._sets[basis] = [*(other for other in known if other != one), one]
        moving = [other for other in self._sets if other.updates_model]
        for old in moving[:-_KEPT]:
            del self._sets[old]
            self._stuck.discard(old)

    def last(self, basis: Basis) -> frozenset[int]:
        """The set of the newest sum; empty if there is none."""
        return self._sets.get(basis, [frozenset()])[-1]

    def stuck(self, basis: Basis) -> bool:
        """Whether a set was refused on this basis."""
        return basis in self._stuck

    def require_safe(self, basis: Basis, qualified: Iterable[int]) -> None:
        """Check a further sum; one that is refused leaves the basis stuck.

        Raises
        ------
        UnsafeSum
            When, with those before it, it could show the sum of fewer than ``minimum`` devices.
        """
        known = self._sets.get(basis, [])
        wanted = frozenset(qualified)
        if not known or wanted in known:
            return
        apart = len(wanted ^ known[0])
        if len(known) < _MOST_SETS and apart >= self._minimum:
            return
        self._stuck.add(basis)
        raise UnsafeSum(
            f"qualified set: differs in {apart} devices from one whose sum was released on this "
            f"model, as set number {len(known) + 1}; "
            f"at least {self._minimum}, and at most {_MOST_SETS} sets"
        )
