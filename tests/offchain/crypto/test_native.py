import pytest

from offchain.crypto import blst, curve, native
from offchain.crypto.blst import library
from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.curve import G1_GENERATOR, G1_INFINITY
from offchain.crypto.errors import RangeError
from offchain.crypto.field import FieldVector, R
from offchain.crypto.kernels import lanes
from offchain.crypto.kernels.points import BATCH
from offchain.crypto.native import FixedBase
from tests.offchain.crypto.processors import IN_LANES
from tests.offchain.crypto.test_commitment import kinds

reachable = pytest.mark.skipif(library() is None, reason="ckzg exports no blst here")


def multiple(base, *values):
    """Sum of values[i] times the base's point i."""
    return base.sum(FieldVector.from_ints(values))


@pytest.fixture(
    params=[
        "blst",
        IN_LANES,
    ]
)
def build(request, monkeypatch):
    """Tables of points, as either kind of processor adds them."""
    monkeypatch.setattr(lanes, "available", lambda: request.param == "lanes")
    return FixedBase.build


def expected(points, vector):
    return curve.msm_g1(points, vector.to_ints())


@reachable
@pytest.mark.parametrize("capacity", [8, 64, 512])
def test_sum__any_kind_of_vector__equals_py_arkworks(build, capacity, randomness):
    key = CommitmentKey.load(capacity)
    base, portable = build(key.ceremony.g1[:capacity]), CommitmentKey.portable(capacity)
    assert portable._base is None
    for name, vector in kinds(capacity, randomness).items():
        assert base.sum(vector) == portable.commit(vector).points[0], name
        assert key.open_at(vector, 5) == portable.open_at(vector, 5), name


@reachable
@pytest.mark.parametrize("points", ["equal", "opposite", "few", "doubled"])
def test_sum__points_that_meet_themselves__equals_py_arkworks(build, points, randomness):
    one, two = (curve.multiply_g1(G1_GENERATOR, randomness.scalar()) for _ in range(2))
    repeated = {
        "equal": [one] * 40,
        "opposite": [one, -one] * 20,
        "few": [one, two, -one] * 13,
        # 2^w P_0 stands in the table too: equal points of different rows meet in a bucket.
        "doubled": [curve.multiply_g1(one, 1 << k) for k in range(40)],
    }[points]
    base, count = build(repeated), len(repeated)
    for value in (1, -1, 5, R // 3):
        vector = FieldVector.from_ints([value] * count)
        assert base.sum(vector) == expected(repeated, vector)
    for _ in range(5):
        vector = randomness.field_vector(count)
        assert base.sum(vector) == expected(repeated, vector)


@reachable
def test_sum__one_digit_everywhere__goes_through_a_single_large_group(build, randomness):
    count = 300
    key = CommitmentKey.load(count)
    points = key.ceremony.g1[:count]
    base = build(points)
    ones = sum(1 << (base._window * k) for k in range(254 // base._window))
    vector = FieldVector.from_ints([ones] * count)
    assert base._digits * count > BATCH
    assert base.sum(vector) == expected(points, vector)


@reachable
@pytest.mark.parametrize("window", range(5, 12))
def test_sum__digits_at_their_edges__equals_multiplication(build, window, monkeypatch):
    monkeypatch.setattr(native, "_MIN_WINDOW", window)
    monkeypatch.setattr(native, "_MAX_WINDOW", window)
    base = build([G1_GENERATOR, -G1_GENERATOR])
    half, whole = 1 << (window - 1), 1 << window
    edges = [0, 1, half - 1, half, half + 1, whole - 1, whole, whole * half, 2**64 - 1, R // 2]
    edges += [sum((half + d) << (window * k) for k in range(5)) for d in (-1, 0, 1)]
    for value in (*edges, *(-edge for edge in edges)):
        found = CommitmentKey.portable(1).commit(FieldVector.from_ints([value])).points[0]
        assert multiple(base, value) == found, value
        assert multiple(base, value, value) == G1_INFINITY
        assert multiple(base, 0, value) == -found


@reachable
def test_sum__of_nothing__is_infinity(build):
    base = build([G1_GENERATOR] * 3)
    assert multiple(base, 0, 0, 0) == G1_INFINITY
    assert multiple(base) == G1_INFINITY


@reachable
def test_sum__longer_than_the_table__raises(build):
    with pytest.raises(RangeError) as caught:
        multiple(build([G1_GENERATOR] * 3), 1, 2, 3, 4)
    assert (caught.value.value, caught.value.high) == (4, 3)


def test_load__blst_out_of_reach__commits_all_the_same(monkeypatch, randomness):
    expected = CommitmentKey.load(16).commit(vector := randomness.field_vector(16))
    monkeypatch.setattr(native, "library", lambda: None)
    key = CommitmentKey.load(16, CommitmentKey.load(16).ceremony)
    assert key._base is None
    assert key.commit(vector) == expected


@reachable
def test_build__blst_adds_wrongly__is_not_used(monkeypatch):
    monkeypatch.setattr(FixedBase, "sum", lambda *_: G1_GENERATOR)
    assert FixedBase.build([G1_GENERATOR, -G1_GENERATOR]) is None


@pytest.mark.parametrize("lacking", ["package", "function"])
def test_library__not_as_expected__is_none(monkeypatch, lacking):
    library.cache_clear()
    if lacking == "package":
        monkeypatch.setattr(blst, "find_spec", lambda _: None)
    else:
        monkeypatch.setattr(blst, "_SIGNATURES", {"blst_no_such_function": (None, ())})
    try:
        assert library() is None
    finally:
        library.cache_clear()
