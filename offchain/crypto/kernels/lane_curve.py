"""Points of BLS12-381's curve over the base field, eight at a time: with AVX-512 IFMA.

Eight points are three times eight numbers: X, Y and Z of homogeneous coordinates (X/Z, Y/Z), with
Z = 0 at infinity. The formulas are complete (Renes, Costello, Batina: eprint 2015/1060, algorithms
7 and 9): the curve has odd order, so they hold for all pairs of its points, equal, opposite and
infinity too, also for points outside the group.
"""

from typing import Any, Final

from numba.extending import intrinsic

from offchain.crypto.kernels.lane_coordinates import LIMBS, CoordinateLanes
from offchain.crypto.kernels.lanes import LANES, constant, constants, of_addresses

NUMBER_WORDS: Final = LIMBS * LANES  # eight numbers
_NUMBER: Final = 8 * NUMBER_WORDS  # bytes

# Coordinates that go in and out are below 4 p, settled; products are below 1.01 p.


def _load(lanes: CoordinateLanes, address: Any) -> Any:
    return tuple(lanes.load(lanes.at(address, _NUMBER * i), LIMBS) for i in range(3))


def _store(lanes: CoordinateLanes, address: Any, coordinates: Any) -> None:
    for i, coordinate in enumerate(coordinates):
        lanes.store(lanes.at(address, _NUMBER * i), coordinate)


@intrinsic
def add_points(typing: Any, result: Any, left: Any, right: Any) -> Any:
    """Write eight sums; all arguments are addresses."""
    del typing, result, left, right

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = CoordinateLanes(builder)
        result, left, right = arguments
        plus, minus, settle = lanes.plus, lanes.minus, lanes.settle
        x1, y1, z1 = _load(lanes, left)
        x2, y2, z2 = _load(lanes, right)
        xx, yy, zz = lanes.product(x1, x2), lanes.product(y1, y2), lanes.product(z1, z2)

        def mixed(a: Any, b: Any, c: Any, d: Any, first: Any, second: Any) -> Any:
            """(a + b) (c + d) - first - second, that is a d + b c: below 6 p."""
            both = lanes.product(settle(plus(a, b)), settle(plus(c, d)))
            return settle(lanes.lifted(minus(both, plus(first, second)), 2))

        xy = mixed(x1, y1, x2, y2, xx, yy)
        yz = mixed(y1, z1, y2, z2, yy, zz)
        xz = mixed(x1, z1, x2, z2, xx, zz)
        xx3, zz12, xz12 = (settle(lanes.times(a, by)) for a, by in ((xx, 3), (zz, 12), (xz, 12)))
        total, rest = settle(plus(yy, zz12)), settle(lanes.lifted(minus(yy, zz12), 7))
        negative = settle(lanes.lifted(minus(constants([0] * LIMBS), yz), 3))
        x3 = lanes.products((xy, rest), (negative, xz12))
        y3 = lanes.products((xz12, xx3), (rest, total))
        z3 = lanes.products((total, yz), (xx3, xy))
        _store(lanes, result, (x3, y3, z3))
        return context.get_dummy_value()

    return of_addresses(3), generate


@intrinsic
def double_points(typing: Any, result: Any, points: Any) -> Any:
    """Write eight points twice; arguments are addresses."""
    del typing, result, points

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = CoordinateLanes(builder)
        result, points = arguments
        plus, minus, settle = lanes.plus, lanes.minus, lanes.settle
        x, y, z = _load(lanes, points)
        yy, zz = lanes.product(y, y), lanes.product(z, z)
        zz12 = settle(lanes.times(zz, 12))
        yy8 = settle(lanes.times(yy, 8))
        rest = settle(lanes.lifted(minus(yy, lanes.times(zz12, 3)), 19))
        x3 = lanes.times(lanes.product(rest, lanes.product(x, y)), 2)
        y3 = lanes.products((rest, settle(plus(yy, zz12))), (zz12, yy8))
        z3 = lanes.product(lanes.product(y, z), yy8)
        _store(lanes, result, (settle(x3), y3, z3))
        return context.get_dummy_value()

    return of_addresses(2), generate


@intrinsic
def select_points(typing: Any, result: Any, table: Any, offsets: Any, signs: Any) -> Any:
    """Write eight points of a table, each turned into its negative where its sign is not zero.

    Arguments are addresses: of the result, of the table, whose points have their limbs in rows, of
    the eight offsets in bytes, and of the eight signs.
    """
    del typing, result, table, offsets, signs

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = CoordinateLanes(builder)
        result, table, offsets, signs = arguments
        places = lanes.addresses(table, offsets)
        x, y, z = (lanes.turn(lanes.rows(places, 8 * LIMBS * i)) for i in range(3))
        zero = constant(0)
        negative = builder.icmp_unsigned("!=", lanes.row(signs), zero)
        turned = lanes.settle(lanes.lifted(lanes.minus([zero] * LIMBS, y), 2))
        y = [builder.select(negative, b, a) for a, b in zip(y, turned, strict=True)]
        _store(lanes, result, (x, y, z))
        return context.get_dummy_value()

    return of_addresses(4), generate


@intrinsic
def keep_points(typing: Any, table: Any, offsets: Any, points: Any) -> Any:
    """Write eight points to places of a table; arguments as those of `select_points`."""
    del typing, table, offsets, points

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        lanes = CoordinateLanes(builder)
        table, offsets, points = arguments
        places = lanes.addresses(table, offsets)
        for i, coordinate in enumerate(_load(lanes, points)):
            lanes.put_rows(places, 8 * LIMBS * i, lanes.turn(list(coordinate)))
        return context.get_dummy_value()

    return of_addresses(3), generate
