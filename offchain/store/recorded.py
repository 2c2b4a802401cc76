"""A trainer whose answers stand in the journal: a replay does not train again.

Training is the one step of a role that need not give the same bits twice: it depends on the
numerical library, its threads and the machine. A different update under the same commitments would
be a second, different packet for one round.
"""

from collections import deque
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from offchain.errors import VerifogError
from offchain.protocol.device import Trainer


class TrainingFailed(VerifogError):
    """What a trainer could not do, as the journal has it."""


class Asides:
    """Answers from outside of a role while it handles one input: recorded, or played back."""

    def __init__(self) -> None:
        self._recall: deque[bytes] = deque()
        self._made: list[bytes] = []

    def begin(self, recall: Sequence[bytes] = ()) -> None:
        """A new input is handled, for the first time or with the answers it had before."""
        self._recall = deque(recall)
        self._made = []

    def recall(self) -> bytes | None:
        """The answer that was given before, if there is one."""
        return self._recall.popleft() if self._recall else None

    def keep(self, answer: bytes) -> None:
        """An answer was used."""
        self._made.append(answer)

    @property
    def made(self) -> tuple[bytes, ...]:
        """The answers used for this input."""
        return tuple(self._made)


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    values: bytes  # int64, little-endian; empty when it failed
    error: str


_ANSWER = msgspec.msgpack.Decoder(_Answer)


class RecordedTrainer:
    """Implements ``Trainer`` over another one.

    Parameters
    ----------
    trainer
        What trains.
    asides
        Where its answers are kept; shared with the ``DurableRole``.
    """

    def __init__(self, trainer: Trainer, asides: Asides) -> None:
        self._trainer = trainer
        self._asides = asides
        self._absorbed: list[tuple[int, ...]] = []

    def update(self, model: Sequence[int], *, updates_model: bool) -> NDArray[np.int64]:
        """Make the update, or give the one that was made before.

        Raises
        ------
        TrainingFailed
            When the trainer could not.
        """
        data = self._asides.recall()
        if data is None:
            data = msgspec.msgpack.encode(self._train(model, updates_model=updates_model))
        self._asides.keep(data)
        answer = _ANSWER.decode(data)
        if answer.error:
            raise TrainingFailed(answer.error)
        return np.frombuffer(answer.values, "<i8").astype(np.int64)

    def _train(self, model: Sequence[int], *, updates_model: bool) -> _Answer:
        try:
            values = self._trainer.update(model, updates_model=updates_model)
        except VerifogError as error:
            return _Answer(b"", str(error) or type(error).__name__)
        return _Answer(np.asarray(values, "<i8").tobytes(), "")

    def absorb(self, statistics: Sequence[int]) -> None:
        """Take the result of a statistics round."""
        self._trainer.absorb(statistics)
        self._absorbed.append(tuple(statistics))

    # ---- for a picture of the role

    def picture(self) -> list[list[int]]:
        """What it has absorbed."""
        return [list(statistics) for statistics in self._absorbed]

    def restore(self, picture: list[list[int]]) -> None:
        """Absorb it again."""
        for statistics in picture:
            self.absorb(statistics)
