import pytest

from offchain.crypto import curve, variable_base
from offchain.crypto.curve import G1_GENERATOR, G1_INFINITY
from offchain.crypto.errors import LengthError, RangeError
from offchain.crypto.field import R
from offchain.crypto.kernels import lanes
from offchain.crypto.kernels.lane_products import SPLIT
from offchain.crypto.variable_base import sum_products
from tests.offchain.crypto.processors import IN_LANES

EDGES = [0, 1, 15, 16, 17, 31, 32, 33, 2**64 - 1, 2**64, 2**125 + 1, 2**127, 2**128 - 1, 2**128]
EDGES += [SPLIT - 1, SPLIT, SPLIT + 1, 2 * SPLIT, 5 * SPLIT + 2**127, R // 2, R - SPLIT, R - 1, R]
EDGES += [sum(digit << (5 * k) for k in range(25)) for digit in (15, 16, 17, 31)]


@pytest.fixture(
    autouse=True,
    params=[
        IN_LANES,
        "py_arkworks",
    ],
)
def processor(request, monkeypatch):
    """Sums as either kind of processor adds them, however few the points are."""
    monkeypatch.setattr(lanes, "available", lambda: request.param == "lanes")
    monkeypatch.setattr(variable_base, "_FEWEST", 1)


def drawn(count, randomness):
    return [curve.multiply_g1(G1_GENERATOR, randomness.scalar()) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 31, 64])
def test_sum_products__long_and_short_scalars__equals_py_arkworks(count, randomness):
    points = drawn(count, randomness)
    long = [randomness.scalar() for _ in range(count)]
    short = [randomness.coefficient() for _ in range(count)]
    mixed = [one if i % 3 else two for i, (one, two) in enumerate(zip(long, short, strict=True))]
    for scalars in (long, short, mixed, [-value for value in short]):
        assert sum_products((points, scalars)) == [curve.msm_g1(points, scalars)]


@pytest.mark.parametrize("scalar", EDGES)
def test_sum_products__scalar_at_an_edge__equals_multiplication(scalar, randomness):
    point, other = drawn(2, randomness)
    expected = curve.multiply_g1(point, scalar)
    assert sum_products(([point], [scalar])) == [expected]
    assert sum_products(([point, other], [-scalar, 1])) == [other - expected]


@pytest.mark.parametrize("scalar", [1, 5, SPLIT, R // 3])
def test_sum_products__points_that_meet_themselves__equals_py_arkworks(scalar, randomness):
    one, two = drawn(2, randomness)
    for points in ([one] * 20, [one, -one] * 12, [one, two, -one, G1_INFINITY] * 5):
        scalars = [scalar] * len(points)
        assert sum_products((points, scalars)) == [curve.msm_g1(points, scalars)]
    multiples = [curve.multiply_g1(one, k) for k in range(1, 33)]
    scalars = [R - k for k in range(1, 33)]
    assert sum_products((multiples, scalars)) == [curve.msm_g1(multiples, scalars)]


def test_sum_products__image_under_the_endomorphism__meets_its_own_multiple(randomness):
    """x^2 P and -(beta x, y) are one point: the two halves of a scalar may cancel."""
    (point,) = drawn(1, randomness)
    image = curve.multiply_g1(point, SPLIT)
    assert sum_products(([point, image], [SPLIT, -1])) == [G1_INFINITY]
    assert sum_products(([point, image], [SPLIT, 1])) == [curve.multiply_g1(point, 2 * SPLIT)]


def test_sum_products__nothing_to_add__is_infinity():
    assert sum_products() == []
    assert sum_products(([], [])) == [G1_INFINITY]
    assert sum_products(([G1_INFINITY] * 3, [1, 2, 3])) == [G1_INFINITY]
    assert sum_products(([G1_GENERATOR] * 3, [0, R, 2 * R])) == [G1_INFINITY]


def test_sum_products__several_of_different_lengths__each_by_itself(randomness):
    sums = []
    for count in (40, 0, 3, 17, 1, 8, 5, 2):
        scalars = [randomness.scalar() for _ in range(count)]
        sums.append((drawn(count, randomness), scalars))
        assert sum_products(*sums) == [curve.msm_g1(*one) for one in sums]


def test_sum_products__more_points_than_go_together__adds_the_parts(monkeypatch, randomness):
    monkeypatch.setattr(variable_base, "_MOST", 16)
    sums = []
    for count in (37, 5):
        scalars = [randomness.scalar() for _ in range(count)]
        sums.append((drawn(count, randomness), scalars))
    assert sum_products(*sums) == [curve.msm_g1(*one) for one in sums]


def test_sum_products__other_number_of_scalars__raises():
    with pytest.raises(LengthError) as caught:
        sum_products(([G1_GENERATOR], [1]), ([G1_GENERATOR] * 3, [1, 2]))
    assert (caught.value.actual, caught.value.expected) == (2, 3)


def test_sum_products__more_than_eight_sums__raises():
    with pytest.raises(RangeError) as caught:
        sum_products(*[([G1_GENERATOR], [1])] * 9)
    assert (caught.value.value, caught.value.high) == (9, 8)
