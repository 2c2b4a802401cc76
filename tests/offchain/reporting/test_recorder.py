from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from offchain.protocol.chain import (
    ClusterAnchored,
    MemberRemoved,
    ResultAccepted,
    ResultRejected,
    RoundOpened,
)
from offchain.protocol.role import Note, Send
from offchain.reporting.errors import RecordError
from offchain.reporting.record import Metric, PrivacySpent, RoundKind, RoundStatus, Traffic
from offchain.reporting.recorder import LiveRound, RunRecorder
from offchain.reporting.timing import TimedChain, TimedSelector, TimedTrainer
from tests.offchain.reporting.builders import make_head


@dataclass(frozen=True)
class Receipt:
    kind: str
    cluster: int | None
    gas: int
    error: str | None = None


class Follower:
    def __init__(self) -> None:
        self.seen: list[LiveRound] = []
        self.records: list = []

    def changed(self, live) -> None:
        self.seen.append(live)

    def closed(self, record) -> None:
        self.records.append(record)


def opened(number: int) -> RoundOpened:
    return RoundOpened(
        number, 9, 10, 20, 30, 1, updates_model=True, model_digest=bytes(32), opened_at=1
    )


def accepted(number: int) -> ResultAccepted:
    return ResultAccepted(number, bytes(20), (0,), bytes(32), bytes(32), 70, 3, bytes(32))


def anchored(number: int, *, signers=(0, 1), qualified=(0, 1, 2)) -> ClusterAnchored:
    return ClusterAnchored(number, 0, bytes(32), bytes(128), signers, qualified)


@pytest.fixture
def follower() -> Follower:
    return Follower()


@pytest.fixture
def recorder(clock, follower) -> RunRecorder:
    return RunRecorder(make_head(clusters=1), follower, clock)


def test_round__result_accepted__is_settled_with_its_figures(recorder, clock, fog, device):
    recorder.round_opened(1)
    recorder.happened(opened(1))
    recorder.noted(fog, Note("selected", {"round": 1, "cluster": 0, "devices": (2, 0, 1, 3)}))
    recorder.noted(fog, Note("dropped", {"round": 1, "step": "SHARING", "devices": [3]}))
    recorder.happened(anchored(1))
    recorder.happened(accepted(1))
    clock.time = 2.5
    record = recorder.round_closed(
        loss=0.5, metric=Metric("accuracy", 0.9), privacy=PrivacySpent(1.0, 1e-5)
    )
    assert record.status is RoundStatus.SETTLED
    assert record.why is None
    assert (record.samples, record.included) == (70, (0,))
    assert record.selected[0].devices == (0, 1, 2, 3)
    assert record.qualified[0].devices == (0, 1, 2)
    counts = record.counts
    assert (counts.selected, counts.qualified, counts.attested, counts.dropped) == (4, 3, 2, 1)
    assert (record.dropped[0].device, record.dropped[0].step) == (3, "sharing")
    assert record.seconds.total == 2.5


def test_round__result_rejected__is_failed(recorder):
    recorder.round_opened(1)
    recorder.happened(accepted(1))
    recorder.happened(ResultRejected(1, bytes(32)))
    record = recorder.round_closed()
    assert record.status is RoundStatus.FAILED
    assert record.why == "Contract S accepted no result"
    assert record.notes[0].kind == "result-rejected"


def test_round__cluster_failed__says_why(recorder, fog):
    recorder.round_opened(1)
    why = "attestations: 3, quorum is 6"
    recorder.noted(fog, Note("cluster-failed", {"round": 1, "cluster": 0, "why": why}))
    assert recorder.round_closed().why == why


def test_round_opened__while_one_is_open__is_refused(recorder):
    recorder.round_opened(1)
    with pytest.raises(RecordError, match="round 2: round 1 is still open"):
        recorder.round_opened(2)


def test_round_closed__none_open__is_refused(recorder):
    with pytest.raises(RecordError, match="no round is open"):
        recorder.round_closed()


def test_happened__contract_opens_another_round__is_refused(recorder):
    recorder.round_opened(1)
    with pytest.raises(RecordError, match="round 1: Contract S opened round 2"):
        recorder.happened(opened(2))


def test_noted__rejections__are_counted_by_device_and_reason(recorder, fog, device):
    recorder.round_opened(1)
    for name in ("mask", "mask", "noise-seed"):
        recorder.noted(fog, Note("rejected", {"reason": name, "detail": "no", "device": 4}))
    recorder.noted(fog, Note("rejected", {"reason": "bad-signature", "detail": "forged"}))
    recorder.noted(device, Note("rejected", {"reason": "share", "detail": "wrong", "dealer": 2}))
    record = recorder.round_closed()
    found = {(r.by, r.device, r.reason): r.count for r in record.rejected}
    assert found == {
        ("fog", 4, "mask"): 2,
        ("fog", 4, "noise-seed"): 1,
        ("fog", None, "bad-signature"): 1,
        ("device", 2, "share"): 1,
    }
    # One device that a fog named; what a device says of its peer is not yet a verdict.
    assert record.counts.rejected == 1


def test_sent__messages__are_counted_by_kind_and_role(recorder, fog, device):
    recorder.round_opened(1)
    for size in (10, 20):
        recorder.sent(device, Send(bytes(20), "Deal", bytes(size)))
    recorder.sent(fog, Send(bytes(20), "Delivery", bytes(7)))
    record = recorder.round_closed()
    assert record.messages == {"Deal": Traffic(2, 30), "Delivery": Traffic(1, 7)}
    assert record.bytes_by_role == {"device": 30, "fog": 7}


def test_transacted__inside_and_outside_of_rounds__is_kept_apart(recorder, fog, cloud):
    recorder.gas_spent("deploy", 5000, "authority")
    recorder.round_opened(1)
    recorder.transacted(fog, Receipt("anchor", 0, 300))
    recorder.transacted(cloud, Receipt("submitAggregate", None, 0, "reverted: Quorum(3, 6)"))
    recorder.gas_spent("claim", 60, "device")
    recorder.round_closed()
    run = recorder.finish()
    assert [(g.kind, g.gas, g.sender) for g in run.outside] == [("deploy", 5000, "authority")]
    assert run.rounds[0].gas[1].error == "reverted: Quorum(3, 6)"
    assert run.totals.gas == 300
    assert run.totals.gas_by_kind == {"anchor": 300, "submitAggregate": 0}
    assert run.totals.gas_outside_by_kind == {"deploy": 5000, "claim": 60}
    assert run.totals.gas_per_device_round == 300 / 8


def test_handled__seconds__go_to_phase_role_and_slowest(recorder, clock, fog, device):
    recorder.round_opened(1)
    clock.time = 10.0
    recorder.handled(device, "Selection", 2.0)
    recorder.handled(fog, "Deal", 1.0)
    recorder.handled(fog, "Reveal", 4.0)
    seconds = recorder.round_closed().seconds
    assert seconds.by_phase == {"share": 3.0, "reveal": 4.0}
    assert seconds.by_role == {"device": 2.0, "fog": 5.0}
    assert seconds.slowest == {"device": 2.0, "fog": 5.0}


def test_timing__inside_of_handling__is_taken_out_of_it(recorder, clock, device):
    recorder.round_opened(1)
    with recorder.timing("chain"):
        clock.time += 5.0
    clock.time += 0.5  # the handling begins here
    began = clock.time
    clock.time += 1.0
    with recorder.timing("train"):
        clock.time += 2.0
    clock.time += 0.25
    recorder.handled(device, "ModelOffer", clock.time - began)
    seconds = recorder.round_closed().seconds
    assert seconds.by_phase == {"train": 2.0, "mask": 1.25, "chain": 5.0}
    assert seconds.by_role == {"device": 3.25}


def test_timed__wrappers__pass_on_and_book_their_phase(recorder, clock):
    class Slow:
        def update(self, model, *, updates_model):
            clock.time += 1.0
            return [1, 2]

        def absorb(self, statistics):
            clock.time += 2.0

        def choose(self, round_number, masked, *, updates_model):
            clock.time += 4.0
            return "chosen"

        def learn(self, round_number, total):
            clock.time += 64.0

        def execute(self, call, sender):
            clock.time += 8.0
            return "receipt"

        def poll(self):
            return ["event"]

        def now(self):
            return 7

        def advance(self, to):
            clock.time += 16.0

    recorder.round_opened(1)
    trainer = TimedTrainer(Slow(), recorder)
    chain = TimedChain(Slow(), recorder)
    assert trainer.update([0], updates_model=True) == [1, 2]
    trainer.absorb([0])
    selector = TimedSelector(Slow(), recorder)
    assert selector.choose(1, {}, updates_model=True) == "chosen"
    selector.learn(1, [0])
    assert (chain.execute(None, b""), chain.poll(), chain.now()) == ("receipt", ["event"], 7)
    chain.advance(9)
    assert recorder.round_closed().seconds.by_phase == {"train": 3.0, "select": 68.0, "chain": 24.0}


def test_watcher__follows__phases_notes_and_gas(recorder, follower, fog, device):
    recorder.round_opened(1, RoundKind.STATISTICS)
    recorder.handled(device, "ModelOffer", 0.0)
    recorder.handled(fog, "MaskedPacket", 0.0)
    recorder.handled(device, "ModelOffer", 0.0)  # another cluster is behind
    recorder.transacted(fog, Receipt("anchor", 0, 300))
    record = recorder.round_closed()
    assert [live.phase for live in follower.seen] == ["open", "mask", "verify", "verify"]
    last = follower.seen[-1]
    assert (last.gas, last.position, last.planned, last.kind) == (300, 1, 16, "statistics")
    assert follower.records == [record]


def test_member_removed__device__is_no_longer_counted(recorder, device):
    recorder.round_opened(1)
    recorder.sent(device, Send(bytes(20), "Deal", b""))
    recorder.happened(MemberRemoved(device.address))
    first = recorder.round_closed()
    recorder.round_opened(2)
    second = recorder.round_closed()
    assert (first.counts.devices, second.counts.devices) == (8, 7)
    assert first.notes[0].kind == "member-removed"
    assert (first.notes[0].cluster, first.notes[0].device) == (0, 5)


def test_finish__round_still_open__closes_it_as_interrupted(recorder):
    recorder.round_opened(1)
    run = recorder.finish()
    assert run.interrupted
    assert run.rounds[0].why == "the run was interrupted"


def test_options__not_plain__are_refused():
    head = make_head()
    with pytest.raises(RecordError, match="option key: a bytes is no plain value"):
        RunRecorder(replace(head, options={"key": b"secret"}))


def test_noted__long_hexadecimal__is_cut(recorder, fog):
    secret = "ab" * 32
    recorder.round_opened(1)
    note = {"reason": "share", "detail": f"share 0x{secret} of 0x{'cd' * 20} " + "long " * 200}
    recorder.noted(fog, Note("rejected", note))
    detail = recorder.round_closed().rejected[0].detail
    assert secret not in detail
    assert "0x" + "cd" * 20 in detail
    assert len(detail) <= 300
