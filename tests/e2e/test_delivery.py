"""Messages that come twice, in another order, or before their receiver has seen the chain."""

import random
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from offchain.protocol.chain import BeaconDrawn, Event, ResultAccepted, RoundOpened
from offchain.protocol.role import Effect, Role, Send
from tests.e2e.builders import Run


class Shuffled(deque[Send]):
    """A queue that hands out its messages in any order."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    def popleft(self) -> Send:
        self.rotate(self._random.randrange(len(self)))
        return super().popleft()


def twice(role: Role, send: Send) -> Iterable[Send]:
    return [send, send]


def sent_of_each_kind(run: Run) -> Counter[str]:
    return Counter(send.kind for _, send in run.record.sends)


@pytest.fixture
def undisturbed() -> Counter[str]:
    """What one round of one cluster of five takes, noise included."""
    kinds = ("NoiseCall", "NoiseRoot", "NoiseReceipt", "ModelOffer", "MaskedPacket", "Selection")
    kinds += ("Deal", "Delivery", "ShareReport", "Qualified", "SumDigest", "AnchorProposal")
    return Counter(dict.fromkeys((*kinds, "Attestation", "Reveal"), 5)) + Counter(
        {"ClusterSum": 1, "Result": 1}
    )


def test_messages__each_twice__one_effect(cluster: Run, undisturbed: Counter[str]) -> None:
    cluster.wire.rules.append(twice)
    assert cluster.round().settled
    assert cluster.committed == cluster.digest_without()
    assert cluster.refusals == {}
    assert sent_of_each_kind(cluster) == undisturbed
    assert len(cluster.record.receipts) == 5


@pytest.mark.parametrize("seed", range(4))
def test_messages__shuffled_and_twice__same_model(
    cluster: Run, undisturbed: Counter[str], seed: int
) -> None:
    cluster.wire.rules.append(twice)
    cluster.network._queue = Shuffled(seed)
    assert cluster.round().settled
    assert cluster.committed == cluster.digest_without()
    assert cluster.refusals == {}
    assert sent_of_each_kind(cluster) == undisturbed


def test_messages__of_two_clusters_shuffled_and_twice__same_model(clusters: Run) -> None:
    clusters.wire.rules.append(twice)
    clusters.network._queue = Shuffled(7)
    assert clusters.round().settled
    assert clusters.committed == clusters.digest_without()
    assert clusters.refusals == {}


# ---- a node that sees the chain later than the others


class Slow:
    """Lets a node see an event of the chain only once it has got ``behind`` more messages."""

    def __init__(self, run: Run, role: Role, kind: type[Event], behind: int) -> None:
        self._run, self._role, self._kind, self._behind = run, role, kind, behind
        self._waiting: list[Any] = []
        self._observe, self._receive = role.observe, role.receive
        role.observe = self.observe
        role.receive = self.receive

    def observe(self, event: Event) -> list[Effect]:
        if self._waiting or isinstance(event, self._kind):
            self._waiting.append(event)
            return []
        return self._observe(event)

    def receive(self, data: bytes) -> list[Effect]:
        effects = self._receive(data)
        if self._waiting:
            self._behind -= 1
            if self._behind <= 0:
                waiting, self._waiting = self._waiting, []
                effects += [effect for event in waiting for effect in self._observe(event)]
        return effects


@pytest.mark.parametrize("kind", [RoundOpened, BeaconDrawn], ids=lambda kind: kind.__name__)
def test_device__sees_the_chain_late__what_it_was_sent_before_counts(
    cluster: Run, kind: type[Event]
) -> None:
    """The fog's offer comes before the device knows of the round, or of its beacon."""
    Slow(cluster, cluster.devices[0][1], kind, behind=1)
    assert cluster.round().settled
    assert cluster.refusals == {}
    assert cluster.committed == cluster.digest_without()


def test_cloud__sees_the_chain_late__what_it_was_sent_before_counts(clusters: Run) -> None:
    """Both clusters' sums come before the cloud knows that a round is open."""
    Slow(clusters, clusters.clouds[0], RoundOpened, behind=2)
    assert clusters.round().settled
    assert clusters.refusals == {}
    assert clusters.committed == clusters.digest_without()


def test_fog__sees_the_result_late__what_the_cloud_sent_before_counts(clusters: Run) -> None:
    fog = clusters.fogs[0]
    Slow(clusters, fog, ResultAccepted, behind=1)
    assert clusters.round().settled
    assert clusters.refusals == {}
    assert fog.model_of(clusters.committed) is not None


def test_deferred_messages__more_than_a_node_keeps__refused(
    cluster: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, fog = cluster.devices[0][1], cluster.fogs[0]
    assert cluster.round().settled
    monkeypatch.setattr(type(device), "MAX_DEFERRED", 2)
    _, old = next((r, s) for r, s in cluster.record.sends if s.kind == "ModelOffer")
    offer = cluster.opened(old)
    early = [cluster.signed(fog, replace(offer, round=number)) for number in (5, 6, 7, 8)]
    cluster.deliver(device, *early)
    assert dict(device.rejected) == {"too-early": 2}
    device.rejected.clear()
    assert cluster.round().settled
    assert cluster.refusals == {}
    assert cluster.committed == cluster.digest_without()
