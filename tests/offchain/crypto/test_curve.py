import pytest
from py_ecc.bls.g2_primitives import G1_to_pubkey, pubkey_to_G1
from py_ecc.optimized_bls12_381 import G1 as PY_G1
from py_ecc.optimized_bls12_381 import add, is_inf, multiply, normalize

from offchain.crypto import curve, errors
from offchain.crypto.errors import LengthError
from offchain.crypto.field import R
from offchain.crypto.kernels import lanes
from offchain.crypto.kernels.lane_coordinates import BASE_FIELD
from tests.offchain.crypto.oracles import compressed_cases, eip2537_cases, with_flags
from tests.offchain.crypto.processors import IN_LANES

CURVE_ORDER_G1 = BASE_FIELD + 1 - (1 - 0xD201000000010000)  # p + 1 - t, t = x + 1


def bad(cases):
    return [pytest.param(data, error, id=name) for name, data, error in cases]


def point(n):
    return curve.multiply_g1(curve.G1_GENERATOR, n)


def point2(n):
    return curve.G2_GENERATOR * curve.to_scalar(n)


@pytest.mark.parametrize("n", [1, 2, 12345, R - 1])
def test_encodings__points_of_both_groups__round_trip(n):
    p, q = point(n), point2(n)
    assert curve.parse_g1(curve.g1_to_bytes(p)) == p
    assert curve.parse_g2(curve.g2_to_bytes(q)) == q
    assert curve.parse_g1_eip2537(curve.g1_to_eip2537(p)) == p
    assert curve.parse_g2_eip2537(curve.g2_to_eip2537(q)) == q


def test_eip2537__multiple_of_the_generator__holds_py_ecc_coordinates():
    x, y = normalize(multiply(PY_G1, 987654321))
    assert curve.g1_to_eip2537(point(987654321)) == int(x).to_bytes(64, "big") + int(y).to_bytes(
        64, "big"
    )


@pytest.mark.parametrize(("data", "error"), bad(compressed_cases(48)))
def test_parse_g1__bad_encoding__raises_its_error(data, error):
    with pytest.raises(getattr(errors, error), match="key"):
        curve.parse_g1(data, field="key")


@pytest.fixture(
    params=[
        IN_LANES,
        "blst",
        "py_arkworks",
    ]
)
def decoder(request, monkeypatch):
    """What decodes many points, on one kind of machine or another."""
    monkeypatch.setattr(lanes, "available", lambda: request.param == "lanes")
    if request.param == "py_arkworks":
        monkeypatch.setattr(curve, "library", lambda: None)


def each_as_one_by_one(given, infinity):
    """What is found, errors as text, after it was compared with `parse_g1` for each."""

    def one(data):
        try:
            return curve.parse_g1(data, infinity=infinity, field="key")
        except errors.CryptoError as error:
            return repr(error)

    found = curve.parse_g1_each(given, infinity=infinity, field="key")
    shown = [repr(f) if isinstance(f, errors.CryptoError) else f for f in found]
    assert shown == [one(data) for data in given]
    return shown


@pytest.mark.parametrize("infinity", [True, False])
def test_parse_g1_each__good_and_bad_mixed__as_one_by_one(infinity, decoder):
    good = [curve.g1_to_bytes(point(n)) for n in (1, 2, R - 1)]
    cases = [data for _, data, _ in compressed_cases(48)]
    given = [*good, curve.g1_to_bytes(curve.G1_INFINITY), *cases, *good]
    shown = each_as_one_by_one(given, infinity)
    assert shown[:3] == shown[-3:] == [point(1), point(2), point(R - 1)]
    assert curve.parse_g1_each([]) == []


def test_parse_g1_each__all_small_x_with_either_sign__as_one_by_one(decoder):
    """Half of them are off the curve, nearly all others outside the group."""
    given = [
        with_flags(x.to_bytes(48, "big"), flags)
        for x in [*range(100), *range(BASE_FIELD - 20, BASE_FIELD)]
        for flags in (0x80, 0xA0)
    ]
    shown = each_as_one_by_one(given, infinity=False)
    kinds = [text.split("(")[0] for text in shown]
    assert kinds.count("NotOnCurveError") > 60
    assert kinds.count("NotInSubgroupError") > 60


def curve_points():
    """Encodings of points of the curve, hardly any of them in the group."""
    for x in range(1, 50):
        data = with_flags(x.to_bytes(48, "big"), 0x80)
        if not isinstance(curve.parse_g1_each([data])[0], errors.NotOnCurveError):
            yield data


@pytest.mark.parametrize("order", [3, 11, 10177, 859267, 52437899])
def test_parse_g1_each__part_of_small_order__is_refused(order, decoder):
    """Points whose order is a factor of the cofactor, alone and added to one of the group."""
    others = CURVE_ORDER_G1
    while others % order == 0:
        others //= order
    multiples = (multiply(pubkey_to_G1(data), others) for data in curve_points())
    small = next(p for p in multiples if not is_inf(p))
    assert is_inf(multiply(small, order))
    given = []
    for n in range(5):
        inside = multiply(PY_G1, 1 + n)
        outside = multiply(small, 1 + n % (order - 1))
        given += [bytes(G1_to_pubkey(p)) for p in (outside, add(inside, outside), inside)]
    shown = each_as_one_by_one(given, infinity=False)
    assert shown[2::3] == [point(1 + n) for n in range(5)]
    assert all("NotInSubgroup" in text for text in shown[0::3] + shown[1::3])


def test_parse_g1_each__many_points_and_their_negatives__are_those(decoder, randomness):
    points = [point(randomness.scalar()) for _ in range(50)]
    points += [-p for p in points]
    assert curve.parse_g1_each([curve.g1_to_bytes(p) for p in points]) == points


@pytest.mark.parametrize(("data", "error"), bad(compressed_cases(96)))
def test_parse_g2__bad_encoding__raises_its_error(data, error):
    with pytest.raises(getattr(errors, error), match="key"):
        curve.parse_g2(data, field="key")


@pytest.mark.parametrize(("data", "error"), bad(eip2537_cases(128)))
def test_parse_g1_eip2537__bad_encoding__raises_its_error(data, error):
    with pytest.raises(getattr(errors, error), match="key"):
        curve.parse_g1_eip2537(data, field="key")


@pytest.mark.parametrize(("data", "error"), bad(eip2537_cases(256)))
def test_parse_g2_eip2537__bad_encoding__raises_its_error(data, error):
    with pytest.raises(getattr(errors, error), match="key"):
        curve.parse_g2_eip2537(data, field="key")


def test_infinity__allowed__round_trips():
    p, q = curve.G1_INFINITY, curve.G2_INFINITY
    assert curve.parse_g1(curve.g1_to_bytes(p), infinity=True) == p
    assert curve.parse_g2(curve.g2_to_bytes(q), infinity=True) == q
    assert curve.parse_g1_eip2537(curve.g1_to_eip2537(p), infinity=True) == p
    assert curve.parse_g2_eip2537(curve.g2_to_eip2537(q), infinity=True) == q
    assert curve.g1_to_eip2537(p) == bytes(128)


@pytest.mark.parametrize("name", ["off_subgroup", "infinity_with_bits", "infinity_with_sign"])
def test_parse_g1__infinity_allowed__other_checks_stay(name):
    data, error = next((d, e) for n, d, e in compressed_cases(48) if n == name)
    with pytest.raises(getattr(errors, error)):
        curve.parse_g1(data, infinity=True)


def test_msm__signed_scalars_and_infinity__equals_the_sum():
    points = [point(3), curve.G1_INFINITY, point(5), point(7)]
    assert curve.msm_g1(points, [2, 9, -4, R - 1]) == point(3 * 2 - 5 * 4 - 7)
    assert curve.msm_g1([], []) == curve.G1_INFINITY
    assert curve.msm_g2([point2(3), point2(5)], [-2, 4]) == point2(14)
    assert curve.sum_g1([point(1), point(2)]) == point(3)
    assert curve.sum_g2([point2(1), point2(2)]) == point2(3)


@pytest.mark.parametrize("msm", [curve.msm_g1, curve.msm_g2])
def test_msm__lengths_differ__raises(msm):
    with pytest.raises(LengthError):
        msm([], [1])


def test_pairing_product__bilinear__is_one_only_when_balanced():
    assert curve.pairing_product_is_one([(point(6), point2(1)), (-point(2), point2(3))])
    assert not curve.pairing_product_is_one([(point(6), point2(1)), (-point(2), point2(4))])
