"""Over whom sums may be released on one model."""

import pytest

from offchain.protocol.errors import UnsafeSum
from offchain.protocol.releases import Basis, Releases

MINIMUM = 3
BASIS = Basis(b"\1" * 32, updates_model=True)


@pytest.fixture
def releases() -> Releases:
    known = Releases(MINIMUM)
    known.add(BASIS, range(8))
    return known


@pytest.mark.parametrize("again", [range(8), range(5), range(11)], ids=["same", "less", "more"])
def test_set__the_same_or_far_enough__is_safe(releases: Releases, again: range) -> None:
    releases.require_safe(BASIS, again)
    assert not releases.stuck(BASIS)


@pytest.mark.parametrize("again", [range(7), range(6), range(9), range(1, 9)])
def test_set__closer_than_the_least_sum__is_refused(releases: Releases, again: range) -> None:
    with pytest.raises(UnsafeSum, match=r"differs in [12] devices from one .* at least 3"):
        releases.require_safe(BASIS, again)
    assert releases.stuck(BASIS)


def test_set__a_third__is_refused_though_far_from_both(releases: Releases) -> None:
    releases.add(BASIS, range(5))
    releases.require_safe(BASIS, range(8))
    releases.require_safe(BASIS, range(5))
    with pytest.raises(UnsafeSum, match="as set number 3; at least"):
        releases.require_safe(BASIS, range(20, 40))


def test_set__on_another_basis__is_not_compared(releases: Releases) -> None:
    releases.require_safe(BASIS._replace(updates_model=False), range(7))
    releases.require_safe(BASIS._replace(model_digest=b"\2" * 32), range(7))


def test_last__the_newest_set_or_none(releases: Releases) -> None:
    assert releases.last(BASIS) == frozenset(range(8))
    releases.add(BASIS, range(4))
    assert releases.last(BASIS) == frozenset(range(4))
    releases.add(BASIS, range(8))
    assert releases.last(BASIS) == frozenset(range(8))
    assert releases.last(BASIS._replace(updates_model=False)) == frozenset()


def test_memory__of_many_models__stays_small_but_statistics_are_kept(releases: Releases) -> None:
    statistics = BASIS._replace(updates_model=False)
    releases.add(statistics, range(4))
    for i in range(10, 60):
        releases.add(BASIS._replace(model_digest=bytes([i]) * 32), range(8))
    assert len(releases._sets) == 5
    assert releases.last(statistics) == frozenset(range(4))
    assert releases.last(BASIS) == frozenset()
