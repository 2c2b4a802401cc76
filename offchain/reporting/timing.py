"""Wrappers that book the time of training, selection and the chain to their own phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from offchain.protocol.chain import Call, Event
from offchain.protocol.device import Trainer
from offchain.protocol.selecting import Chosen, Selector
from offchain.reporting.recorder import RunRecorder

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class TimedTrainer:
    """A device's trainer, its time booked to ``train``."""

    def __init__(self, trainer: Trainer, recorder: RunRecorder) -> None:
        self._trainer = trainer
        self._recorder = recorder

    def update(self, model: Sequence[int], *, updates_model: bool) -> NDArray[np.int64]:
        """Make the update, as the trainer does."""
        with self._recorder.timing("train"):
            return self._trainer.update(model, updates_model=updates_model)

    def absorb(self, statistics: Sequence[int]) -> None:
        """Take the result of a statistics round, as the trainer does."""
        with self._recorder.timing("train"):
            self._trainer.absorb(statistics)


class TimedSelector:
    """A fog's selector, its time booked to ``select``."""

    def __init__(self, selector: Selector, recorder: RunRecorder) -> None:
        self._selector = selector
        self._recorder = recorder

    def choose(
        self, round_number: int, masked: Mapping[int, NDArray[np.int64]], *, updates_model: bool
    ) -> Chosen:
        """Choose, as the selector does."""
        with self._recorder.timing("select"):
            return self._selector.choose(round_number, masked, updates_model=updates_model)

    def learn(self, round_number: int, total: Sequence[int]) -> None:
        """Learn, as the selector does."""
        with self._recorder.timing("select"):
            self._selector.learn(round_number, total)


class ChainLike(Protocol[R_co]):
    """The chain as a local run needs it."""

    def execute(self, call: Call, sender: bytes) -> R_co: ...
    def poll(self) -> Sequence[Event]: ...
    def now(self) -> int: ...
    def advance(self, to: int) -> None: ...


class TimedChain(Generic[R]):
    """A chain port, its time booked to ``chain``."""

    def __init__(self, chain: ChainLike[R], recorder: RunRecorder) -> None:
        self._chain = chain
        self._recorder = recorder

    def execute(self, call: Call, sender: bytes) -> R:
        """Send a transaction and wait for it."""
        with self._recorder.timing("chain"):
            return self._chain.execute(call, sender)

    def poll(self) -> Sequence[Event]:
        """Return new events."""
        with self._recorder.timing("chain"):
            return self._chain.poll()

    def now(self) -> int:
        """Return the time of the latest block."""
        with self._recorder.timing("chain"):
            return self._chain.now()

    def advance(self, to: int) -> None:
        """Let chain time reach ``to``."""
        with self._recorder.timing("chain"):
            self._chain.advance(to)
