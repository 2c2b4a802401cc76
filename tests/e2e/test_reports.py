"""Steps 6 and 7: peers that lie about the shares they got, and the fog's qualified set."""

from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from offchain.nodes.drill_dealing import Dealer, bumped
from offchain.protocol.errors import NotSelected
from offchain.protocol.messages import (
    Complaint,
    Deal,
    Qualified,
    SealedShare,
    ShareReport,
    SumDigest,
)
from offchain.protocol.selecting import Chosen
from tests.e2e.builders import Run, World
from tests.e2e.conftest import ONE_CLUSTER

# ---- lying peers


def accepts_nobody(run: Run, report: ShareReport) -> ShareReport:
    return replace(report, accepted=())


def complains_of_all(run: Run, report: ShareReport) -> ShareReport:
    """True shares, under their roots: they prove nothing."""
    peer = run.devices[0][report.index]
    state = peer._round
    assert state is not None
    accepted = {i: share for i, share in state.accepted.items() if i != report.index}
    complaints = []
    for dealer, share in accepted.items():
        content = Dealer(run, run.devices[0][dealer]).open(
            run.sent(run.devices[0][dealer], Deal)[0], report.index
        )
        complaints.append(Complaint(dealer, share.data, content.path))
    return replace(report, accepted=(), complaints=tuple(complaints))


def complains_with(**changes: object) -> Callable[[Run, ShareReport], ShareReport]:
    def change(run: Run, report: ShareReport) -> ShareReport:
        honest = complains_of_all(run, report)
        false = tuple(replace(complaint, **changes) for complaint in honest.complaints)
        return replace(honest, complaints=false)

    return change


def complains_of_wrong_shares(run: Run, report: ShareReport) -> ShareReport:
    honest = complains_of_all(run, report)
    false = tuple(
        Complaint(c.dealer, bumped(c.share[:32]) + c.share[32:], c.path) for c in honest.complaints
    )
    return replace(honest, complaints=false)


def accepts_strangers(run: Run, report: ShareReport) -> ShareReport:
    return replace(report, accepted=(*report.accepted, 63, 1023))


LIES: list[tuple[str, Callable[[Run, ShareReport], ShareReport]]] = [
    ("accepts_nobody", accepts_nobody),
    ("complains_of_true_shares", complains_of_all),
    ("complains_of_altered_shares", complains_of_wrong_shares),
    ("complains_with_a_short_path", complains_with(path=())),
    ("complains_with_a_long_path", complains_with(path=(bytes(32),) * 32)),
    ("complains_with_a_short_share", complains_with(share=bytes(32))),
    ("complains_of_an_unknown_dealer", complains_with(dealer=63)),
    ("accepts_strangers", accepts_strangers),
]


@pytest.mark.parametrize(("name", "lie"), LIES, ids=[name for name, _ in LIES])
def test_report__of_a_lying_peer__disqualifies_no_dealer(
    cluster: Run, name: str, lie: Callable[[Run, ShareReport], ShareReport]
) -> None:
    liar = cluster.devices[0][1]
    cluster.alter(liar, ShareReport, lambda report: lie(cluster, report))
    assert cluster.round().settled
    assert cluster.sent(cluster.fogs[0], Qualified)[0].indices == (0, 1, 2, 3, 4)
    assert cluster.refusals == {}
    assert cluster.committed == cluster.digest_without()


class AllBut:
    """A selection rule that leaves out device 1."""

    def choose(
        self, round_number: int, masked: dict[int, object], *, updates_model: bool
    ) -> Chosen:
        kept = tuple(index for index in sorted(masked) if index != 1)
        return Chosen(kept, ((1, NotSelected("rule")),))

    def learn(self, round_number: int, total: Sequence[int]) -> None:
        pass


@pytest.mark.parametrize("complaining", [True, False])
def test_report__of_a_device_not_selected__refused(
    found: Callable[..., World], *, complaining: bool
) -> None:
    """It holds no share: it must neither count as a holder nor accuse anybody."""
    run = found(ONE_CLUSTER).run(selector=AllBut)
    culprit, fog = run.devices[0][1], run.fogs[0]

    def report() -> bytes:
        complaint = Complaint(0, bytes(32 * run.shape.layout.share_length), ())
        return run.signed(
            culprit,
            ShareReport(
                round=1,
                cluster=0,
                index=1,
                accepted=() if complaining else (0, 2, 3, 4),
                complaints=(complaint,) if complaining else (),
            ),
        )

    run.insert((run.devices[0][0], ShareReport), fog, report)
    assert run.round().settled
    assert run.refusals == {"fog 0": {"not-selected": 1, "unknown-sender": 1}}
    assert run.sent(fog, Qualified)[0].indices == (0, 2, 3, 4)
    received = [send.kind for _, send in run.record.sends if send.recipient == culprit.address]
    assert received == ["NoiseCall", "NoiseReceipt", "ModelOffer"]
    assert run.committed == run.digest_without(culprit)


def test_report__second_and_different__refused_and_the_first_counts(cluster: Run) -> None:
    liar = cluster.devices[0][1]
    cluster.alter(liar, ShareReport, lambda report: accepts_nobody(cluster, report), add=True)
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"equivocation": 1}}
    assert cluster.committed == cluster.digest_without()


# ---- the fog's qualified set


def test_qualified__with_a_dealer_not_accepted__refused_and_cluster_fails(clusters: Run) -> None:
    culprit, fog = clusters.devices[0][1], clusters.fogs[0]

    def no_seals(deal: Deal) -> Deal:
        return replace(deal, shares=tuple(SealedShare(s.recipient, b"") for s in deal.shares))

    def with_everybody(qualified: Qualified) -> Qualified:
        selection = fog._round._selection
        assert selection is not None
        return replace(qualified, indices=selection.indices, root=selection.root)

    clusters.alter(culprit, Deal, no_seals)
    clusters.alter(fog, Qualified, with_everybody)
    assert clusters.round().settled
    refused = {"share-missing": 1, "qualified": 1}
    # The culprit sums over the set that the fog has named; alone it makes no quorum.
    assert clusters.refusals == {f"device 0.{i}": refused for i in (0, 2, 3)} | {
        "fog 0": {"share-missing": 1, "wrong-round": 1}
    }
    assert clusters.committed == clusters.digest_without(fog)


@pytest.mark.parametrize(
    "change",
    [
        lambda q: replace(q, indices=q.indices[:1]),
        lambda q: replace(q, indices=q.indices[::-1]),
        lambda q: replace(q, indices=(*q.indices, q.indices[-1])),
        lambda q: replace(q, root=bytes(32)),
        lambda q: replace(q, indices=q.indices[:-1]),
        lambda q: replace(q, indices=(*q.indices, 63)),
    ],
    ids=["too_few", "falling", "one_twice", "root", "root_of_another_set", "unknown_dealer"],
)
def test_qualified__false_to_one_device__it_sums_nothing_and_nothing_is_lost(
    cluster: Run, change: Callable[[Qualified], Qualified]
) -> None:
    device = cluster.devices[0][1]
    cluster.alter(cluster.fogs[0], Qualified, change, to=device)
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {"qualified": 1}}
    assert cluster.sent(device, SumDigest) == []
    assert cluster.committed == cluster.digest_without()


def test_qualified__second_and_different__refused_and_one_sum_given(cluster: Run) -> None:
    """Two sums over different sets could be subtracted from each other."""
    fog, device = cluster.fogs[0], cluster.devices[0][1]

    def without_the_last(qualified: Qualified) -> Qualified:
        selection = fog._round._selection
        assert selection is not None
        kept = qualified.indices[:-1]
        return replace(qualified, indices=kept, root=selection.root_of(kept))

    cluster.alter(fog, Qualified, without_the_last, to=device, add=True)
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.1": {"equivocation": 1}}
    assert len({digest.digest for digest in cluster.sent(device, SumDigest)}) == 1
    assert cluster.committed == cluster.digest_without()
