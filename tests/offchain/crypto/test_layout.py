import numpy as np
import pytest

from offchain.crypto.errors import LayoutError, LengthError, RangeError, ScalarOverflowError
from offchain.crypto.field import FieldVector
from offchain.crypto.layout import SlotLayout
from offchain.crypto.randomness import Randomness

SHAPES = [(64, 1, 1), (64, 8, 1), (64, 16, 2), (128, 4, 3), (4096, 8, 1)]


def full_layout(capacity, packing, chunks):
    return SlotLayout(capacity, packing, chunks, chunks * (capacity - 3 * packing) - 1)


def is_blinding(slot, block):
    return slot % block >= block - 3


@pytest.mark.parametrize(("capacity", "packing", "chunks"), SHAPES)
def test_place__full_layout__puts_numbers_around_the_blinding_slots(capacity, packing, chunks):
    layout = full_layout(capacity, packing, chunks)
    numbers = np.arange(1, layout.values + 2) * -3
    elements = layout.place(numbers, Randomness(bytes(32))).centred()
    mask = [is_blinding(j, layout.block) for j in range(layout.length)]
    assert layout.blinding_mask.tolist() == mask
    assert [e for e, m in zip(elements, mask, strict=True) if not m] == numbers.tolist()
    blinding = [e for e, m in zip(elements, mask, strict=True) if m]
    assert len(set(blinding)) == 3 * packing * chunks
    assert all(abs(e) > 2**200 for e in blinding)


@pytest.mark.parametrize(("capacity", "packing", "chunks"), SHAPES)
def test_extract__any_vector__takes_the_data_slots_in_order(capacity, packing, chunks):
    layout = full_layout(capacity, packing, chunks)
    fewer = SlotLayout(capacity, packing, chunks, layout.values // 2)
    vector = FieldVector.from_int64(np.arange(layout.length) - 5)
    data = [j - 5 for j in range(layout.length) if not is_blinding(j, layout.block)]
    assert len(data) == layout.data_slots
    for shape in (layout, fewer):
        assert shape.extract(vector) == data[: 1 + shape.values]
        assert shape.extract_int64(vector).tolist() == data[: 1 + shape.values]


@pytest.mark.parametrize(("capacity", "packing", "chunks"), SHAPES)
def test_with_blinding__any_vector__replaces_the_last_slots_of_each_block(
    capacity, packing, chunks
):
    layout = full_layout(capacity, packing, chunks)
    plain = FieldVector.from_ints(range(layout.length))
    blinding = Randomness(bytes(32)).field_vector(layout.blinding_slots)
    fresh = iter(blinding.to_ints())
    assert layout.with_blinding(plain, blinding).to_ints() == [
        next(fresh) if is_blinding(j, layout.block) else j for j in range(layout.length)
    ]
    assert next(fresh, None) is None
    assert plain.to_ints() == list(range(layout.length))


@pytest.mark.parametrize(("capacity", "packing", "chunks"), SHAPES)
def test_without_blinding__any_count_of_numbers__fills_with_zeros(capacity, packing, chunks):
    layout = full_layout(capacity, packing, chunks)
    for count in (0, 1, layout.data_slots):
        numbers = np.arange(1, count + 1) * -7
        given = iter(numbers.tolist())
        assert layout.without_blinding(numbers).centred() == [
            0 if is_blinding(j, layout.block) else next(given, 0) for j in range(layout.length)
        ]
    with pytest.raises(LengthError) as caught:
        layout.without_blinding(np.zeros(layout.data_slots + 1, np.int64))
    assert caught.value.expected == layout.data_slots


def test_place__fewer_numbers_than_declared__fills_with_zeros():
    layout = SlotLayout(64, 1, 1, 50)
    vector = layout.place(np.array([7, -1, 2]), Randomness(bytes(32)))
    assert vector.to_ints()[3:61] == [0] * 58
    assert layout.extract(vector) == [7, -1, 2] + [0] * 48
    assert layout.extract_int64(vector).tolist() == layout.extract(vector)


def test_place__fresh_blinding__differs_only_there():
    layout = full_layout(64, 2, 1)
    numbers = np.arange(layout.values + 1)
    u = layout.place(numbers, Randomness(bytes(32))).to_ints()
    v = layout.place(numbers, Randomness(bytes([1] * 32))).to_ints()
    changed = [a != b for a, b in zip(u, v, strict=True)]
    assert changed == layout.blinding_mask.tolist()


@pytest.mark.parametrize("count", [0, 12])
def test_place__wrong_number_of_numbers__raises(count):
    with pytest.raises(LengthError) as caught:
        SlotLayout(64, 1, 1, 10).place(np.zeros(count, np.int64), Randomness(bytes(32)))
    assert (caught.value.actual, caught.value.expected) == (count, 11)


@pytest.mark.parametrize(("capacity", "packing", "chunks"), SHAPES)
def test_blocks__any_vector__are_cut_from_every_chunk_and_joined_back(capacity, packing, chunks):
    layout = full_layout(capacity, packing, chunks)
    vector = FieldVector.from_ints(range(layout.length))
    blocks = layout.blocks(vector)
    for p, block in enumerate(blocks):
        expected = [
            c * capacity + p * layout.block + q for c in range(chunks) for q in range(layout.block)
        ]
        assert block.to_ints() == expected
    assert layout.join_blocks(blocks) == vector
    assert layout.share_length == len(blocks[0])


def test_layout__one_value_too_many__names_needed_and_available():
    assert SlotLayout(64, 4, 2, 103).data_slots == 104
    with pytest.raises(LayoutError, match=r"105 slots needed .* 104 available"):
        SlotLayout(64, 4, 2, 104)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((32, 1, 1, 1), "capacity"),
        ((8192, 1, 1, 1), "capacity"),
        ((64, 0, 1, 1), "packing"),
        ((64, 32, 1, 1), "packing"),
        ((64, 1, 0, 1), "chunks"),
        ((64, 1, 1, -1), "values"),
    ],
)
def test_layout__parameter_out_of_range__raises(arguments, field):
    with pytest.raises(RangeError) as caught:
        SlotLayout(*arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("arguments", [(96, 1, 1, 1), (64, 3, 1, 1)])
def test_layout__sizes_do_not_divide__raises(arguments):
    with pytest.raises(LayoutError):
        SlotLayout(*arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((60,), (64, 1, 1)),
        ((61,), (128, 1, 1)),
        ((4071, 8), (4096, 8, 1)),
        ((4072, 8), (4096, 8, 2)),
        ((100, 1, 64), (64, 1, 2)),
    ],
)
def test_fitting__number_of_values__gives_the_smallest_layout(arguments, expected):
    layout = SlotLayout.fitting(*arguments)
    assert (layout.capacity, layout.packing, layout.chunks) == expected
    assert layout.values == arguments[0]


def test_vector__wrong_length__raises():
    layout = SlotLayout(64, 2, 1, 3)
    short = FieldVector.zeros(63)
    for operation in (layout.extract, layout.extract_int64, layout.blocks):
        with pytest.raises(LengthError):
            operation(short)
    with pytest.raises(LengthError):
        layout.join_blocks([FieldVector.zeros(32)])
    with pytest.raises(LengthError):
        layout.join_blocks([FieldVector.zeros(32), short])
    with pytest.raises(LengthError):
        layout.with_blinding(FieldVector.zeros(64), FieldVector.zeros(3))


def test_extract_int64__number_too_big__raises_where_extract_does_not():
    layout = SlotLayout(64, 1, 1, 1)
    vector = FieldVector.from_ints([2**70, -(2**80), *[0] * 62])
    assert layout.extract(vector) == [2**70, -(2**80)]
    with pytest.raises(ScalarOverflowError):
        layout.extract_int64(vector)


def test_blinding_mask__shared_array__is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        SlotLayout(64, 1, 1, 1).blinding_mask[0] = True
