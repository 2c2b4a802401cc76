"""The signed selection, the checks of a delivery, and who is qualified in the end."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from offchain.crypto.curve import G1_GENERATOR
from offchain.crypto.hashing import tagged, word
from offchain.crypto.merkle import MerkleTree, verify_path
from offchain.errors import VerifogError
from offchain.protocol import complaints, messages, selected_set, sharing
from offchain.protocol.errors import (
    OpeningMismatch,
    SelectionMismatch,
    ShareMismatch,
    SharePathMismatch,
    SharesMissing,
    WitnessMismatch,
)
from offchain.protocol.messages import Complaint, Deal, Delivered, Selected, Selection, ShareReport
from tests.offchain.protocol.builders import CLUSTER, ROUND, Cluster

POINT = (G1_GENERATOR + G1_GENERATOR).to_compressed_bytes()


@pytest.fixture(scope="module", params=[1, 2], ids=["plain", "packed"])
def dealt(request: pytest.FixtureRequest) -> "Dealt":
    """Five devices that have dealt to each other, with l = 1 and l = 2."""
    cluster = Cluster.of(5, packing=request.param)
    updates = cluster.updates()
    selected = selected_set.select(cluster.roster, {i: u.commitment for i, u in enumerate(updates)})
    dealings = cluster.deal(selected, updates)
    return Dealt(cluster, selected, dealings, cluster.deals(dealings))


class Dealt:
    """A selection with all its deals."""

    def __init__(
        self,
        cluster: Cluster,
        selected: selected_set.SelectedSet,
        dealings: dict[int, sharing.OwnDealing],
        deals: dict[int, Deal],
    ) -> None:
        self.cluster, self.selected, self.dealings, self.deals = cluster, selected, dealings, deals
        self.witnesses = {i: dealing.witness for i, dealing in dealings.items()}

    def check(self, recipient: int, delivery: messages.Delivery) -> sharing.Checked:
        cluster = self.cluster
        return sharing.check_delivery(
            cluster.task,
            cluster.separator,
            cluster.roster,
            self.selected,
            recipient,
            cluster.keys[recipient].sealing,
            delivery,
            cluster.randomness.child(b"check"),
        )

    def delivery(self, recipient: int) -> messages.Delivery:
        return sharing.delivery(ROUND, CLUSTER, recipient, self.deals)

    def resolve(self, reports: dict[int, ShareReport]) -> complaints.Resolution:
        cluster = self.cluster
        return complaints.resolve(
            cluster.task,
            cluster.roster,
            self.selected,
            self.witnesses,
            reports,
            cluster.randomness.child(b"resolve"),
        )

    def content(self, dealer: int, recipient: int) -> sharing._SealedContent:
        delivered = self.delivery(recipient).dealings
        order = [i for i in self.selected.indices if i != recipient]
        accounts = self.selected.accounts
        return sharing._unseal(
            self.cluster.keys[recipient].sealing,
            delivered[order.index(dealer)].sealed,
            sharing._associated(
                self.selected.context(self.cluster.task, ROUND, CLUSTER),
                accounts[dealer],
                accounts[recipient],
            ),
        )


def report(peer: int, accepted: object, *complaints: Complaint) -> ShareReport:
    return ShareReport(
        round=ROUND,
        cluster=CLUSTER,
        index=peer,
        accepted=tuple(sorted(accepted)),
        complaints=complaints,
    )


# ---- selections


def test_selection__signed_then_parsed__is_the_same(dealt: Dealt) -> None:
    message = dealt.selected.message(ROUND, CLUSTER)
    parsed = selected_set.parse_selection(dealt.cluster.task, dealt.cluster.roster, message)
    assert (parsed.root, parsed.indices) == (dealt.selected.root, (0, 1, 2, 3, 4))
    for i in parsed.indices:
        parsed.require_member(i, dealt.selected.accounts[i], dealt.selected.commitments[i])


def test_selection__root__is_the_tree_that_the_specification_names(dealt: Dealt) -> None:
    leaves = [
        tagged(
            "verifog selected v1",
            word(i),
            dealt.selected.accounts[i].rjust(32, b"\0"),
            dealt.selected.commitments[i].digest,
        )
        for i in dealt.selected.indices
    ]
    assert dealt.selected.root == MerkleTree(leaves).root
    assert dealt.selected.root_of([3, 1]) == MerkleTree([leaves[1], leaves[3]]).root


def members(change: Callable[[tuple[Selected, ...]], tuple[Selected, ...]]) -> object:
    return lambda s: replace(s, members=change(s.members))


FALSE_SELECTIONS: dict[str, tuple[object, str]] = {
    "falling": (members(lambda m: m[::-1]), "must rise"),
    "one_twice": (members(lambda m: (m[0], *m)), "must rise"),
    "unknown_device": (members(lambda m: (*m, Selected(63, POINT))), r"\[63\] are not active"),
    "commitment_twice": (
        members(lambda m: (*m[:4], Selected(4, m[0].commitment))),
        "two devices have the same",
    ),
    "too_few": (members(lambda m: m[:2]), "2 devices, at least"),
    "one_missing": (members(lambda m: m[:4]), "not that of its members"),
    "another_commitment": (
        members(lambda m: (*m[:4], Selected(4, POINT))),
        "not that of its members",
    ),
    "another_root": (lambda s: replace(s, root=bytes(32)), "not that of its members"),
}


@pytest.mark.parametrize("name", sorted(FALSE_SELECTIONS))
def test_selection__false__refused(dealt: Dealt, name: str) -> None:
    change, text = FALSE_SELECTIONS[name]
    false: Selection = change(dealt.selected.message(ROUND, CLUSTER))
    with pytest.raises(SelectionMismatch, match=text):
        selected_set.parse_selection(dealt.cluster.task, dealt.cluster.roster, false)


def test_selection__device_with_another_commitment_or_account__refused(dealt: Dealt) -> None:
    selected = dealt.selected
    for index, account, of in [(1, 1, 2), (1, 2, 1), (63, 1, 1)]:
        with pytest.raises(SelectionMismatch, match="another commitment"):
            selected.require_member(index, selected.accounts[account], selected.commitments[of])


def test_context__of_another_round_cluster_or_selection__differs(dealt: Dealt) -> None:
    task, selected = dealt.cluster.task, dealt.selected
    fewer = selected_set.select(
        dealt.cluster.roster, {i: selected.commitments[i] for i in (0, 1, 2, 3)}
    )
    contexts = {
        selected.context(task, 1, 0),
        selected.context(task, 2, 0),
        selected.context(task, 1, 1),
        fewer.context(task, 1, 0),
    }
    assert len(contexts) == 4


# ---- deliveries


def test_delivery__honest__every_share_accepted_and_under_its_root(dealt: Dealt) -> None:
    for recipient in dealt.selected.indices:
        checked = dealt.check(recipient, dealt.delivery(recipient))
        assert (checked.refused, checked.complaints) == ((), ())
        assert sorted(checked.shares) == [i for i in range(5) if i != recipient]
        for dealer in checked.shares:
            content = dealt.content(dealer, recipient)
            leaf = tagged("verifog share v1", word(recipient + 1), content.share)
            root = dealt.witnesses[dealer].root
            verify_path(root, recipient, 5, leaf, content.path)


def false_witness(dealt: Dealt, dealer: int, **changes: object) -> bytes:
    return dealt.cluster.sealed_witness(dealer, replace(dealt.witnesses[dealer], **changes))


def element(value: bytes, by: int = 1) -> bytes:
    return (int.from_bytes(value, "big") + by).to_bytes(32, "big")


def wrong_constant(dealt: Dealt) -> dict[str, object]:
    first, *rest = dealt.witnesses[1].polynomial
    return {"polynomial": (element(first), *rest)}


def wrong_top(dealt: Dealt) -> dict[str, object]:
    *rest, last = dealt.witnesses[1].polynomial
    return {"polynomial": (*rest, element(last))}


def wrong_opening(dealt: Dealt) -> dict[str, object]:
    return {"proof": POINT}


@pytest.mark.parametrize(
    ("changes", "plain", "packed"),
    [
        (wrong_constant, WitnessMismatch, WitnessMismatch),
        (wrong_top, ShareMismatch, WitnessMismatch),
        (wrong_opening, OpeningMismatch, OpeningMismatch),
    ],
    ids=["constant", "top", "opening"],
)
def test_witness__signed_and_false__complaint_proves_it_to_the_fog(
    dealt: Dealt,
    changes: Callable[[Dealt], dict[str, object]],
    plain: type[VerifogError],
    packed: type[VerifogError],
) -> None:
    error = plain if dealt.cluster.task.parameters.packing == 1 else packed
    false = false_witness(dealt, 1, **changes(dealt))
    delivery = dealt.delivery(3)
    first, second, *rest = delivery.dealings
    delivery = replace(delivery, dealings=(first, replace(second, witness=false), *rest))
    checked = dealt.check(3, delivery)
    assert [(dealer, type(e)) for dealer, e in checked.refused] == [(1, error)]
    assert sorted(checked.shares) == [0, 2, 4]
    (complaint,) = checked.complaints
    assert complaint.dealer == 1

    judged = Dealt(dealt.cluster, dealt.selected, dealt.dealings, dealt.deals)
    judged.witnesses = dealt.witnesses | {1: replace(dealt.witnesses[1], **changes(dealt))}
    everybody = set(range(5))
    reports = {i: report(i, everybody) for i in range(5)}
    reports[3] = report(3, everybody - {1}, complaint)
    resolution = judged.resolve(reports)
    assert resolution.qualified == (0, 2, 3, 4)
    assert resolution.live == (0, 1, 2, 3, 4)
    assert [(dealer, type(e)) for dealer, e in resolution.refused] == [(1, error)]


@pytest.mark.parametrize("place", range(4))
def test_delivery__one_box_garbled__only_that_dealer_is_refused(dealt: Dealt, place: int) -> None:
    delivery = dealt.delivery(2)
    dealings = list(delivery.dealings)
    sealed = dealings[place].sealed
    garbled = sealed[:-1] + bytes([sealed[-1] ^ 1])
    dealings[place] = Delivered(dealings[place].witness, garbled)
    checked = dealt.check(2, replace(delivery, dealings=tuple(dealings)))
    dealer = [0, 1, 3, 4][place]
    assert [(d, type(e)) for d, e in checked.refused] == [(dealer, SharesMissing)]
    assert checked.complaints == ()
    assert len(checked.shares) == 3


def test_delivery__to_another_recipient__nothing_opens(dealt: Dealt) -> None:
    checked = dealt.check(3, dealt.delivery(2))
    # Its own dealing came back to it as if another's.
    assert [type(error) for _, error in checked.refused] == [SharesMissing] * 4
    assert checked.shares == {}


def test_share__with_the_path_of_another_place__no_complaint(dealt: Dealt) -> None:
    content, other = dealt.content(0, 2), dealt.content(0, 3)
    judged = dealt.resolve(
        {i: report(i, range(5)) for i in range(5)}
        | {2: report(2, (1, 2, 3, 4), Complaint(0, content.share, other.path))}
    )
    assert judged.refused == ()
    with pytest.raises(SharePathMismatch):
        sharing.check_share(
            dealt.selected.sharing_parameters(dealt.cluster.task),
            2,
            sharing.FieldVector(content.share),
            other.path,
            0,
            sharing.plain_witness(dealt.witnesses[0]),
            dealt.selected,
            dealt.selected.context(dealt.cluster.task, ROUND, CLUSTER),
        )


# ---- who is qualified


def test_resolve__everybody_accepts_everybody__all(dealt: Dealt) -> None:
    resolution = dealt.resolve({i: report(i, range(5)) for i in range(5)})
    assert resolution == complaints.Resolution((0, 1, 2, 3, 4), (0, 1, 2, 3, 4), ())


def test_resolve__silent_peers__are_no_holders_but_stay_dealers(dealt: Dealt) -> None:
    resolution = dealt.resolve({i: report(i, range(5)) for i in (0, 2, 4)})
    assert resolution == complaints.Resolution((0, 1, 2, 3, 4), (0, 2, 4), ())


@pytest.mark.parametrize("liars", [(1,), (1, 3), (0, 1)])
def test_resolve__fewer_liars_than_honest_peers__no_dealer_lost(
    dealt: Dealt, liars: tuple[int, ...]
) -> None:
    reports = {i: report(i, () if i in liars else range(5)) for i in range(5)}
    resolution = dealt.resolve(reports)
    assert resolution.qualified == (0, 1, 2, 3, 4)
    assert resolution.live == tuple(i for i in range(5) if i not in liars)


def test_resolve__one_dealer_that_reached_nobody__only_it_is_lost(dealt: Dealt) -> None:
    reports = {i: report(i, {0, 2, 3, 4} | {i}) for i in range(5)}
    resolution = dealt.resolve(reports)
    assert (resolution.qualified, resolution.live) == ((0, 2, 3, 4), (0, 1, 2, 3, 4))
    assert [(dealer, type(e)) for dealer, e in resolution.refused] == [(1, SharesMissing)]


def test_resolve__one_dealer_against_one_peer__peer_as_holder_only(dealt: Dealt) -> None:
    reports = {i: report(i, range(5)) for i in range(5)} | {3: report(3, (0, 2, 3, 4))}
    resolution = dealt.resolve(reports)
    assert resolution == complaints.Resolution((0, 1, 2, 3, 4), (0, 1, 2, 4), ())


@settings(deadline=None)
@given(st.data())
def test_resolve__any_reports__every_live_peer_has_every_qualified_share(
    dealt: Dealt, data: st.DataObject
) -> None:
    peers = data.draw(st.sets(st.integers(0, 4)))
    accepted = {i: data.draw(st.sets(st.integers(0, 6))) for i in sorted(peers)}
    resolution = dealt.resolve({i: report(i, accepted[i]) for i in peers})
    assert set(resolution.live) <= peers
    assert set(resolution.qualified) <= set(range(5))
    assert all(set(resolution.qualified) <= accepted[i] for i in resolution.live)
    assert {dealer for dealer, _ in resolution.refused} == set(range(5)) - set(resolution.qualified)


@settings(deadline=None)
@given(st.data())
def test_resolve__each_dealer_refused_by_one_peer_at_most__no_dealer_lost(
    dealt: Dealt, data: st.DataObject
) -> None:
    """One lying peer cannot exclude anybody, nor can several that do not agree whom to accuse."""
    accuser = {d: data.draw(st.none() | st.integers(0, 4)) for d in range(5)}
    reports = {i: report(i, {d for d in range(5) if accuser[d] != i}) for i in range(5)}
    resolution = dealt.resolve(reports)
    assert resolution.qualified == (0, 1, 2, 3, 4)
    assert set(resolution.live) >= set(range(5)) - set(accuser.values())
