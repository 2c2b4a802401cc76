"""Smoke."""

from typing import Any

from tests.contracts.builders import keccak
from tests.contracts.deployed import SETTLED, Task


def test_round__played_honestly__settles_with_the_sum(task: Task) -> None:
    result = task.settle_round()
    assert task.contract.phase() == SETTLED
    assert task.contract.modelDigest() == keccak(task.encoded_model())
    assert task.contract.verifyAggregate(1, result.commitment_digest, result.vector_digest)
