from dataclasses import replace

import pytest

from offchain.crypto import curve
from offchain.crypto.commitment import Commitment, Opening
from offchain.crypto.errors import LengthError, OpeningError
from offchain.crypto.field import FieldVector, R
from offchain.crypto.opening import (
    OpeningClaim,
    check_vectors,
    locate,
    locate_bad_openings,
    verify_opening,
    verify_openings,
    verify_relation,
)


def claims(key, randomness, count, chunks=1):
    out = []
    for _ in range(count):
        vector, point = randomness.field_vector(key.capacity * chunks), randomness.scalar()
        out.append(OpeningClaim(key.commit(vector), point, key.open_at(vector, point)))
    return out


def spoil(claim, kind):
    opening, shift = claim.opening, curve.G1_GENERATOR
    if kind == "value":
        return replace(claim, opening=Opening((opening.value + 1) % R, opening.proof))
    if kind == "proof":
        return replace(claim, opening=Opening(opening.value, opening.proof + shift))
    if kind == "point":
        return replace(claim, point=(claim.point + 1) % R)
    last = claim.commitment.points[-1] + shift
    return replace(claim, commitment=Commitment((*claim.commitment.points[:-1], last)))


@pytest.mark.parametrize("chunks", [1, 2, 4])
@pytest.mark.parametrize("kind", ["value", "proof", "point", "commitment"])
def test_verify_opening__one_part_altered__raises(small_key, randomness, chunks, kind):
    good = claims(small_key, randomness, 1, chunks)[0]
    verify_opening(small_key, good.commitment, good.point, good.opening)
    bad = spoil(good, kind)
    with pytest.raises(OpeningError):
        verify_opening(small_key, bad.commitment, bad.point, bad.opening)


@pytest.mark.parametrize("bad", [[], [0], [6], [2, 3], [0, 3, 6], list(range(7))])
def test_locate_bad_openings__some_false__names_exactly_those(small_key, randomness, bad):
    batch = claims(small_key, randomness, 5) + claims(small_key, randomness, 2, 2)
    for i in bad:
        batch[i] = spoil(batch[i], "value")
    assert locate_bad_openings(small_key, batch, randomness) == bad
    if bad:
        with pytest.raises(OpeningError, match="7 openings"):
            verify_openings(small_key, batch, randomness)
    else:
        verify_openings(small_key, batch, randomness)


def test_verify_openings__errors_that_cancel_in_a_plain_sum__are_found(small_key, randomness):
    first, second = claims(small_key, randomness, 2)
    batch = [
        replace(first, opening=Opening((first.opening.value + 1) % R, first.opening.proof)),
        replace(second, opening=Opening((second.opening.value - 1) % R, second.opening.proof)),
    ]
    assert locate_bad_openings(small_key, batch, randomness) == [0, 1]


def test_verify_openings__nothing_to_check__passes(small_key, randomness):
    verify_openings(small_key, [], randomness)
    assert locate_bad_openings(small_key, [], randomness) == []
    assert check_vectors(small_key, [], randomness) == []


@pytest.mark.parametrize("bad", [[], [0], [4], [1, 2], [0, 1, 2, 3, 4]])
def test_check_vectors__some_false__names_exactly_those(small_key, randomness, bad):
    vectors = [randomness.field_vector(128) for _ in range(5)]
    pairs = [(vector, small_key.commit(vector)) for vector in vectors]
    for i in bad:
        changed = FieldVector.from_ints([0] * (127 - i) + [1] + [0] * i)
        pairs[i] = (vectors[i] + changed, pairs[i][1])
    assert check_vectors(small_key, pairs, randomness) == bad


def test_check_vectors__errors_that_cancel_in_a_plain_sum__are_found(small_key, randomness):
    vectors = [randomness.field_vector(64) for _ in range(2)]
    swapped = [small_key.commit(vector) for vector in reversed(vectors)]
    pairs = list(zip(vectors, swapped, strict=True))
    assert check_vectors(small_key, pairs, randomness) == [0, 1]


def test_check_vectors__length_does_not_fit__raises(small_key, randomness):
    commitment = small_key.commit(FieldVector.zeros(64))
    with pytest.raises(LengthError) as caught:
        check_vectors(small_key, [(FieldVector.zeros(128), commitment)], randomness)
    assert (caught.value.actual, caught.value.expected) == (128, 64)


def test_verify_relation__other_vector__raises(small_key, randomness):
    vector = randomness.field_vector(64)
    verify_relation(small_key, vector, small_key.commit(vector))
    with pytest.raises(OpeningError):
        verify_relation(small_key, vector + vector, small_key.commit(vector))


@pytest.mark.parametrize("bad", [set(), {0}, {9}, {3, 4, 5}, set(range(10))])
def test_locate__any_set__is_found_in_order(bad):
    assert locate(10, lambda indices: not bad & set(indices)) == sorted(bad)
