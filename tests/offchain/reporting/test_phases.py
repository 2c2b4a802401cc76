from __future__ import annotations

from typing import get_args

from offchain.protocol import chain, messages
from offchain.protocol.cluster_round import Step
from offchain.reporting.phases import PHASE_OF_KIND, PHASE_OF_STEP, PHASES, in_order, phase_of


def test_phase_of__every_message_and_event__has_one():
    kinds = {kind.__name__ for kind in (*get_args(messages.Message), *get_args(chain.Event))}
    kinds.discard("Witness")  # travels inside of a Deal
    assert kinds == set(PHASE_OF_KIND)
    assert set(PHASE_OF_KIND.values()) <= set(PHASES)


def test_phase_of__tick__goes_by_the_step_of_the_fog():
    assert set(PHASE_OF_STEP) == {s.name for s in Step} - {"WAITING", "DONE", "FAILED"}
    assert phase_of("tick", "SHARING") == "share"
    assert phase_of("tick") == "other"


def test_in_order__unknown_phase__comes_last():
    assert in_order("open") < in_order("reveal") < in_order("something new")
