"""One cell of the grid on the full protocol: every message, check and transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from web3 import Web3

from offchain.chain.artifact import Artifact
from offchain.nodes.options import TrainOptions, plan
from offchain.nodes.training import TrainingRun
from offchain.protocol.device import Trainer

ATTACKERS: Final = (1, 4, 6, 10)
"""4 of 12 devices: a third."""

OPTIONS: Final = TrainOptions(devices=12, fogs=1, rounds=8, noise_multiplier=0.3, seed=3)


class SignFlipper:
    """A malicious device: its honest update, with the other sign, correctly encoded and masked."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def update(self, model: Sequence[int], *, updates_model: bool) -> NDArray[np.int64]:
        """Flip all but the count, and all of the statistics round stays honest."""
        update = self._trainer.update(model, updates_model=updates_model)
        if updates_model:
            update[1:] *= -1
        return update

    def absorb(self, statistics: Sequence[int]) -> None:
        """Take the statistics, as an honest device does."""
        self._trainer.absorb(statistics)


def run_on_protocol(
    web3: Web3, artifact: Artifact, rule: str, *, attacked: bool, rounds: int | None = None
) -> dict[str, Any]:
    """Train on a chain and say what became of the attackers in the last round.

    Returns
    -------
    dict
        `accuracy`, and of the last round `kept`, attackers in the sum, and `rejected`, honest
        devices that selection left out.
    """
    options = replace(OPTIONS, selection=rule, rounds=rounds or OPTIONS.rounds)
    bad = ATTACKERS if attacked else ()

    def corrupt(number: int, trainer: Trainer) -> Trainer:
        return SignFlipper(trainer) if number in bad else trainer

    record = TrainingRun(plan(options), web3, artifact, corrupt=corrupt).run().record
    last = record.rounds[-1]
    out = {entry.device for entry in last.rejected if entry.reason == "not-selected"}
    value = record.comparison.federated.value if record.comparison else None
    return {
        "rule": rule,
        "attackers": len(bad),
        "accuracy": value,
        "kept": len(set(bad) - out),
        "rejected": len(out - set(bad)),
    }
