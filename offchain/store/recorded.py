"""Trainers and selection rules whose answers stand in the journal: a replay gives the same again.

They are the two steps of a role that need not give the same bits twice: they depend on the
numerical library, its threads and the machine. A different update under the same commitments would
be a second, different packet for one round; a different selection, a second, different approval.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from offchain.errors import VerifogError
from offchain.protocol.device import Trainer
from offchain.protocol.errors import NotSelected
from offchain.protocol.selecting import Chosen, Selector


class TrainingFailed(VerifogError):
    """What a trainer could not do, as the journal has it."""


@runtime_checkable
class Keeper(Protocol):
    """Something beside a role that learns over rounds, so that a picture must hold its state."""

    def picture(self) -> bytes:
        """Its state."""
        ...

    def restore(self, state: bytes) -> None:
        """Take up a state, freshly built."""
        ...


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


class _Update(msgspec.Struct, frozen=True, array_like=True):
    values: bytes  # int64, little-endian; empty when it failed
    error: str


class _Choice(msgspec.Struct, frozen=True, array_like=True):
    kept: tuple[int, ...]
    refused: tuple[tuple[int, str], ...]


_UPDATE = msgspec.msgpack.Decoder(_Update)
_CHOICE = msgspec.msgpack.Decoder(_Choice)


class RecordedTrainer:
    """Implements ``Trainer`` over another one, which a replay does not ask again.

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
        self._absorbed: list[list[int]] = []

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
        answer = _UPDATE.decode(data)
        if answer.error:
            raise TrainingFailed(answer.error)
        return np.frombuffer(answer.values, "<i8").astype(np.int64)

    def _train(self, model: Sequence[int], *, updates_model: bool) -> _Update:
        try:
            values = self._trainer.update(model, updates_model=updates_model)
        except VerifogError as error:
            return _Update(b"", str(error) or type(error).__name__)
        return _Update(np.asarray(values, "<i8").tobytes(), "")

    def absorb(self, statistics: Sequence[int]) -> None:
        """Take the result of a statistics round."""
        self._trainer.absorb(statistics)
        self._absorbed.append([int(value) for value in statistics])

    def picture(self) -> bytes:
        """What it has absorbed."""
        return json.dumps(self._absorbed).encode()

    def restore(self, state: bytes) -> None:
        """Absorb it again."""
        for statistics in json.loads(state):
            self.absorb(statistics)


class RecordedSelector:
    """Implements ``Selector`` over another one, whose first answer stays.

    A replay asks it again, since it may learn from what it sees, and keeps to what was answered
    before. A rule that learns over rounds is a ``Keeper``.

    Parameters
    ----------
    selector
        What chooses.
    asides
        Where its answers are kept; shared with the ``DurableRole``.
    """

    def __init__(self, selector: Selector, asides: Asides) -> None:
        self._selector = selector
        self._asides = asides

    def choose(
        self, round_number: int, masked: Mapping[int, NDArray[np.int64]], *, updates_model: bool
    ) -> Chosen:
        """Choose, or give what was chosen before."""
        data = self._asides.recall()
        made = self._selector.choose(round_number, masked, updates_model=updates_model)
        if data is None:
            refused = tuple((index, str(error)) for index, error in made.refused)
            data = msgspec.msgpack.encode(_Choice(tuple(made.kept), refused))
        self._asides.keep(data)
        choice = _CHOICE.decode(data)
        return Chosen(
            choice.kept, tuple((index, NotSelected(why)) for index, why in choice.refused)
        )

    def learn(self, round_number: int, total: Sequence[int]) -> None:
        """Take the sum of a round."""
        self._selector.learn(round_number, total)

    def picture(self) -> bytes:
        """The state of the rule, if it keeps any."""
        return self._selector.picture() if isinstance(self._selector, Keeper) else b""

    def restore(self, state: bytes) -> None:
        """Take up the state of the rule."""
        if isinstance(self._selector, Keeper):
            self._selector.restore(state)
