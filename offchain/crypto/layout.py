"""Which slot of an update vector holds what (protocol, sections 3 and 10).

A vector is C chunks of D slots; a chunk is l blocks of m = D / l slots. The last three slots of
every block are uniform random elements; the other slots hold, in order, the sample count, the
values, and zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.crypto.errors import LayoutError, LengthError, RangeError
from offchain.crypto.field import SCALAR_BYTES, FieldVector
from offchain.crypto.randomness import Randomness

MIN_CAPACITY: Final = 64
MAX_CAPACITY: Final = 4096
MIN_BLOCK: Final = 4
BLINDING_PER_BLOCK: Final = 3
_BLINDING_BYTES: Final = SCALAR_BYTES * BLINDING_PER_BLOCK


@dataclass(frozen=True, slots=True)
class SlotLayout:
    """The shape of every vector of one task.

    Attributes
    ----------
    capacity
        D, slots per chunk: a power of two from 64 to 4096.
    packing
        l, blocks per chunk; divides D and leaves blocks of at least 4 slots.
    chunks
        C, at least 1.
    values
        Number of values beside the count.

    Raises
    ------
    RangeError
        If a parameter is out of range.
    LayoutError
        If the parts do not divide, or the values do not fit.
    """

    capacity: int
    packing: int
    chunks: int
    values: int

    def __post_init__(self) -> None:
        if not MIN_CAPACITY <= self.capacity <= MAX_CAPACITY:
            raise RangeError("capacity", self.capacity, MIN_CAPACITY, MAX_CAPACITY)
        if self.capacity & (self.capacity - 1):
            raise LayoutError(f"capacity {self.capacity} is not a power of two")
        if not 1 <= self.packing <= self.capacity // MIN_BLOCK:
            raise RangeError("packing", self.packing, 1, self.capacity // MIN_BLOCK)
        if self.capacity % self.packing:
            raise LayoutError(f"packing {self.packing} does not divide capacity {self.capacity}")
        if not 1 <= self.chunks <= 1 << 16:
            raise RangeError("chunks", self.chunks, 1, 1 << 16)
        if self.values < 0:
            raise RangeError("values", self.values, 0, self.data_slots - 1)
        if 1 + self.values > self.data_slots:
            raise LayoutError(
                f"{1 + self.values} slots needed (count and {self.values} values), "
                f"{self.data_slots} available"
            )

    @staticmethod
    def fitting(values: int, packing: int = 1, capacity: int | None = None) -> SlotLayout:
        """Return the smallest layout for a number of values.

        The smallest capacity that takes them in one chunk, or as many chunks of 4096 as needed;
        with `capacity` given, as many chunks of that size as needed.
        """
        sizes = [capacity] if capacity else [1 << k for k in range(6, 13)]
        for size in sizes:
            room = size - BLINDING_PER_BLOCK * packing
            if room >= 1 + values and size >= MIN_BLOCK * packing:
                return SlotLayout(size, packing, 1, values)
        room = max(sizes[-1] - BLINDING_PER_BLOCK * packing, 1)
        return SlotLayout(sizes[-1], packing, -(-(1 + values) // room), values)

    @property
    def length(self) -> int:
        """Number of slots of a vector, C * D."""
        return self.chunks * self.capacity

    @property
    def block(self) -> int:
        """Slots of one block of one chunk, m = D / l."""
        return self.capacity // self.packing

    @property
    def share_length(self) -> int:
        """Number of elements of a share, C * m."""
        return self.chunks * self.block

    @property
    def data_slots(self) -> int:
        """Number of slots that are not blinding, C * (D - 3 l)."""
        return self.length - self.blinding_slots

    @property
    def blinding_slots(self) -> int:
        """Number of slots that are blinding, C * 3 l."""
        return BLINDING_PER_BLOCK * self.chunks * self.packing

    @property
    def blinding_mask(self) -> npt.NDArray[np.bool_]:
        """Shape (C * D,), read only: True at blinding slots."""
        return _blinding_mask(self)

    def check_length(self, vector: FieldVector, field: str = "vector") -> None:
        """Check that a vector has C * D slots.

        Raises
        ------
        LengthError
            If it does not.
        """
        if len(vector) != self.length:
            raise LengthError(field, len(vector), self.length)

    def place(self, numbers: npt.NDArray[np.int64], blinding: Randomness) -> FieldVector:
        """Build the vector that holds a count and values.

        Parameters
        ----------
        numbers
            The count, then at most `values` values; missing ones become zeros.
        blinding
            Where the random slots come from.

        Raises
        ------
        LengthError
            If there is no number, or more than the layout declares.
        """
        if not 1 <= len(numbers) <= 1 + self.values:
            raise LengthError("count and values", len(numbers), 1 + self.values)
        plain = self.without_blinding(numbers)
        return self.with_blinding(plain, blinding.field_vector(self.blinding_slots))

    def without_blinding(self, numbers: npt.NDArray[np.int64]) -> FieldVector:
        """Build the vector with numbers in its data slots, in order, and zeros elsewhere.

        Raises
        ------
        LengthError
            If there are more numbers than data slots.
        """
        if len(numbers) > self.data_slots:
            raise LengthError("numbers", len(numbers), self.data_slots)
        data = np.zeros(self.data_slots, np.int64)
        data[: len(numbers)] = numbers
        slots = np.zeros((self.chunks * self.packing, self.block), np.int64)
        slots[:, :-BLINDING_PER_BLOCK] = data.reshape(len(slots), -1)
        return FieldVector.from_int64(slots.reshape(-1))

    def spread(self, numbers: Sequence[int]) -> FieldVector:
        """Build the vector with numbers of any size in its data slots, and zeros elsewhere.

        For what is public, such as a model: there is no blinding.

        Raises
        ------
        LengthError
            If there are more numbers than the count and the values.
        """
        if len(numbers) > 1 + self.values:
            raise LengthError("count and values", len(numbers), 1 + self.values)
        slots = [0] * self.length
        for slot, number in zip(
            np.flatnonzero(~self.blinding_mask).tolist(), numbers, strict=False
        ):
            slots[slot] = int(number)
        return FieldVector.from_ints(slots)

    def with_blinding(self, plain: FieldVector, blinding: FieldVector) -> FieldVector:
        """Return `plain` with its blinding slots replaced, in order, by the elements given.

        Raises
        ------
        LengthError
            If a vector has the wrong length.
        """
        self.check_length(plain)
        if len(blinding) != self.blinding_slots:
            raise LengthError("blinding elements", len(blinding), self.blinding_slots)
        blocks = self._by_block(plain).copy()
        blocks[:, -_BLINDING_BYTES:] = self._by_block(blinding)
        return FieldVector(blocks.tobytes())

    def extract(self, vector: FieldVector) -> list[int]:
        """Return the count and the values as signed integers nearest to zero, 1 + values of them.

        Raises
        ------
        LengthError
            If the vector has the wrong length.
        """
        return self._data(vector).centred()

    def extract_int64(self, vector: FieldVector) -> npt.NDArray[np.int64]:
        """Return the count and the values, shape (1 + values,).

        Raises
        ------
        LengthError
            If the vector has the wrong length.
        ScalarOverflowError
            If a value does not fit 64 bits.
        """
        return self._data(vector).to_int64()

    def _data(self, vector: FieldVector) -> FieldVector:
        self.check_length(vector)
        # `tobytes` of what does not stand in one piece would go byte by byte.
        data = self._by_block(vector)[:, :-_BLINDING_BYTES].copy().reshape(-1)
        return FieldVector(data[: SCALAR_BYTES * (1 + self.values)].tobytes())

    def _by_block(self, vector: FieldVector) -> npt.NDArray[np.uint8]:
        """Return the encoding of as many elements of every block, a row for each block; a view."""
        return np.frombuffer(vector.data, np.uint8).reshape(self.chunks * self.packing, -1)

    def blocks(self, vector: FieldVector) -> list[FieldVector]:
        """Return the l blocks: block p is slots p m to (p+1) m of every chunk, chunk after chunk.

        Raises
        ------
        LengthError
            If the vector has the wrong length.
        """
        self.check_length(vector)
        shaped = np.frombuffer(vector.data, "V32").reshape(self.chunks, self.packing, self.block)
        return [FieldVector(shaped[:, p].tobytes()) for p in range(self.packing)]

    def join_blocks(self, blocks: Sequence[FieldVector]) -> FieldVector:
        """Put the l blocks back into one vector; the inverse of `blocks`.

        Raises
        ------
        LengthError
            If the number of blocks or the length of one is wrong.
        """
        if len(blocks) != self.packing:
            raise LengthError("blocks", len(blocks), self.packing)
        for block in blocks:
            if len(block) != self.share_length:
                raise LengthError("block", len(block), self.share_length)
        joined = np.empty((self.chunks, self.packing, self.block * SCALAR_BYTES), np.uint8)
        for p, block in enumerate(blocks):
            joined[:, p] = np.frombuffer(block.data, np.uint8).reshape(self.chunks, -1)
        return FieldVector(joined.tobytes())


@lru_cache(maxsize=64)
def _blinding_mask(layout: SlotLayout) -> npt.NDArray[np.bool_]:
    mask = np.zeros((layout.chunks * layout.packing, layout.block), np.bool_)
    mask[:, -BLINDING_PER_BLOCK:] = True
    mask = mask.reshape(-1)
    mask.setflags(write=False)
    return mask
