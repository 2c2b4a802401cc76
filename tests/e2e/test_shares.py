"""Steps 5 to 7: false dealers and lying peers. Device 1 is the culprit unless said otherwise."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from offchain.crypto.commitment import Commitment
from offchain.crypto.curve import G1_GENERATOR
from offchain.crypto.field import R
from offchain.nodes.drill_dealing import (
    Dealer,
    FalseDeal,
    altered_constant_of_the_polynomial,
    bumped,
    falsify,
    wrong_proof,
    wrong_share,
)
from offchain.protocol.messages import (
    Deal,
    Delivery,
    SealedShare,
    ShareReport,
    SumDigest,
    parse_envelope,
)
from tests.e2e.builders import Run
from tests.offchain.crypto.oracles import G1_OFF_CURVE, G1_OFF_SUBGROUP

# ---- false dealers: changes of what device 1 hands in


def wrong_shares_for_all(dealer: Dealer, deal: Deal) -> Deal:
    return dealer.deal_with_a_wrong_share((0, 2, 3, 4))


def altered_slope_of_the_polynomial(dealer: Dealer, deal: Deal) -> Deal:
    """P(0) stays, so that with l = 1 the opened value still fits: the shares do not."""
    first, second, *rest = dealer.witness(deal).polynomial
    return dealer.with_witness(deal, polynomial=(first, bumped(second), *rest))


def not_canonical_polynomial(dealer: Dealer, deal: Deal) -> Deal:
    _, *rest = dealer.witness(deal).polynomial
    return dealer.with_witness(deal, polynomial=(R.to_bytes(32, "big"), *rest))


def wrong_opened_value(dealer: Dealer, deal: Deal) -> Deal:
    return dealer.with_witness(deal, opened=bumped(dealer.witness(deal).opened))


def proof_outside_subgroup(dealer: Dealer, deal: Deal) -> Deal:
    return dealer.with_witness(deal, proof=G1_OFF_SUBGROUP)


def proof_off_curve(dealer: Dealer, deal: Deal) -> Deal:
    return dealer.with_witness(deal, proof=G1_OFF_CURVE)


# What each of the four peers says of it, what the fog says of it.
PROVEN: list[tuple[FalseDeal, str, int]] = [
    (wrong_share, "share", 1),
    (wrong_shares_for_all, "share", 4),
    (altered_constant_of_the_polynomial, "witness", 4),
    (altered_slope_of_the_polynomial, "share", 4),
    (not_canonical_polynomial, "witness", 4),
    (wrong_opened_value, "witness", 4),
    (wrong_proof, "opening", 4),
    (proof_outside_subgroup, "witness", 4),
    (proof_off_curve, "witness", 4),
]


@pytest.mark.parametrize(
    ("change", "code", "peers"), PROVEN, ids=[change.__name__ for change, _, _ in PROVEN]
)
def test_deal__contradicts_its_witness__dealer_proven_false_and_left_out(
    cluster: Run, change: FalseDeal, code: str, peers: int
) -> None:
    culprit = cluster.devices[0][1]
    falsify(cluster, culprit, change)
    assert cluster.round().settled
    complaining = {name: codes for name, codes in cluster.refusals.items() if name != "fog 0"}
    assert len(complaining) == peers
    assert all(codes == {code: 1} for codes in complaining.values())
    assert cluster.refusals["fog 0"] == {code: 1}
    assert cluster.committed == cluster.digest_without(culprit)


def test_packed_deal__slope_of_the_polynomial_altered__witness_refused(packed_cluster: Run) -> None:
    """With l = 2 the opened value binds P at 0 and at -1."""
    run, culprit = packed_cluster, packed_cluster.devices[0][1]
    falsify(run, culprit, altered_slope_of_the_polynomial)
    assert run.round().settled
    assert run.refusals["fog 0"] == {"witness": 1}
    assert run.committed == run.digest_without(culprit)


def wrong_path(dealer: Dealer, deal: Deal, recipient: int) -> Deal:
    content = dealer.open(deal, recipient)
    path = (b"\7" * 32, *content.path[1:])
    return dealer.with_share(deal, dealer.sealed(recipient, content.share, path))


def short_path(dealer: Dealer, deal: Deal, recipient: int) -> Deal:
    content = dealer.open(deal, recipient)
    return dealer.with_share(deal, dealer.sealed(recipient, content.share, content.path[1:]))


def altered_share(dealer: Dealer, deal: Deal, recipient: int) -> Deal:
    content = dealer.open(deal, recipient)
    share = bumped(content.share[:32]) + content.share[32:]
    return dealer.with_share(deal, dealer.sealed(recipient, share, content.path))


def share_of_another(dealer: Dealer, deal: Deal, recipient: int) -> Deal:
    other = dealer.open(deal, 0 if recipient else 2)
    return dealer.with_share(deal, dealer.sealed(recipient, other.share, other.path))


def not_canonical_share(dealer: Dealer, deal: Deal, recipient: int) -> Deal:
    content = dealer.open(deal, recipient)
    share = R.to_bytes(32, "big") + content.share[32:]
    return dealer.with_share(deal, dealer.sealed(recipient, share, content.path))


def no_seal(dealer: Dealer, deal: Deal, recipient: int) -> Deal:
    return dealer.with_share(deal, SealedShare(recipient, bytes(100)))


def nothing(dealer: Dealer, deal: Deal, recipient: int) -> Deal:
    return dealer.with_share(deal, SealedShare(recipient, b""))


def sealed_to_another(dealer: Dealer, deal: Deal, recipient: int) -> Deal:
    other = next(s.sealed for s in deal.shares if s.recipient == (0 if recipient else 2))
    return dealer.with_share(deal, SealedShare(recipient, other))


UNPROVEN = [
    (wrong_path, "share-path"),
    (short_path, "share-path"),
    (altered_share, "share-path"),
    (share_of_another, "share-path"),
    (not_canonical_share, "ScalarOverflowError"),
    (no_seal, "share-missing"),
    (nothing, "share-missing"),
    (sealed_to_another, "share-missing"),
]


@pytest.mark.parametrize(("change", "code"), UNPROVEN, ids=[f.__name__ for f, _ in UNPROVEN])
def test_share__unusable_for_one_peer__that_peer_holds_none_and_nothing_is_lost(
    cluster: Run, change: Callable[[Dealer, Deal, int], Deal], code: str
) -> None:
    """Nobody can prove who lies: the peer is left out as a holder, both updates stay in."""
    culprit, peer = cluster.devices[0][1], cluster.devices[0][3]
    falsify(cluster, culprit, lambda dealer, deal: change(dealer, deal, 3))
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.3": {code: 1}}
    assert cluster.sent(peer, ShareReport)[0].complaints == ()
    assert cluster.sent(peer, SumDigest) == []
    assert cluster.committed == cluster.digest_without()


def test_share__unusable_for_all__dealer_left_out(cluster: Run) -> None:
    culprit = cluster.devices[0][1]

    def all_wrong(dealer: Dealer, deal: Deal) -> Deal:
        for recipient in (0, 2, 3, 4):
            deal = wrong_path(dealer, deal, recipient)
        return deal

    falsify(cluster, culprit, all_wrong)
    assert cluster.round().settled
    assert cluster.refusals == {f"device 0.{i}": {"share-path": 1} for i in (0, 2, 3, 4)} | {
        "fog 0": {"share-missing": 1}
    }
    assert cluster.committed == cluster.digest_without(culprit)


# ---- what the fog itself refuses of a deal


def witness_of_another(dealer: Dealer, deal: Deal) -> Deal:
    other = dealer.run.sent(dealer.run.devices[0][0], Deal)[0]
    return replace(deal, witness=other.witness)


def witness_signed_by_another(dealer: Dealer, deal: Deal) -> Deal:
    signed = dealer.run.signed(dealer.run.devices[0][0], dealer.witness(deal))
    return replace(deal, witness=signed)


def no_witness(dealer: Dealer, deal: Deal) -> Deal:
    return replace(deal, witness=b"\x00")


def another_message_as_witness(dealer: Dealer, deal: Deal) -> Deal:
    digest = SumDigest(round=1, cluster=0, index=1, root=bytes(32), digest=bytes(32))
    return replace(deal, witness=dealer.run.signed(dealer.device, digest))


def witness_of_another_round(dealer: Dealer, deal: Deal) -> Deal:
    return dealer.with_witness(deal, round=2)


def witness_for_another_selection(dealer: Dealer, deal: Deal) -> Deal:
    return dealer.with_witness(deal, selection=bytes(32))


def witness_of_another_count(dealer: Dealer, deal: Deal) -> Deal:
    return dealer.with_witness(deal, count=7)


def witness_of_another_commitment(dealer: Dealer, deal: Deal) -> Deal:
    return dealer.with_witness(deal, commitment=Commitment((G1_GENERATOR,)).to_bytes())


def longer_polynomial(dealer: Dealer, deal: Deal) -> Deal:
    return dealer.with_witness(deal, polynomial=(*dealer.witness(deal).polynomial, bytes(32)))


def recipient_left_out(dealer: Dealer, deal: Deal) -> Deal:
    return replace(deal, shares=deal.shares[1:])


def recipient_too_many(dealer: Dealer, deal: Deal) -> Deal:
    return replace(deal, shares=(*deal.shares, SealedShare(63, b"")))


REFUSED_DEALS: list[tuple[FalseDeal, str]] = [
    (witness_of_another, "unknown-sender"),
    (witness_signed_by_another, "unknown-sender"),
    (no_witness, "malformed"),
    (another_message_as_witness, "witness"),
    (witness_of_another_round, "wrong-round"),
    (witness_for_another_selection, "witness"),
    (witness_of_another_count, "witness"),
    (witness_of_another_commitment, "witness"),
    (longer_polynomial, "witness"),
    (recipient_left_out, "witness"),
    (recipient_too_many, "witness"),
]


@pytest.mark.parametrize(
    ("change", "code"), REFUSED_DEALS, ids=[change.__name__ for change, _ in REFUSED_DEALS]
)
def test_deal__not_for_this_selection__fog_refuses_it(
    cluster: Run, change: FalseDeal, code: str
) -> None:
    culprit = cluster.devices[0][1]
    falsify(cluster, culprit, change)
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {code: 1}}
    assert cluster.committed == cluster.digest_without(culprit)


def test_deal__second_and_different__refused_and_the_first_counts(cluster: Run) -> None:
    culprit = cluster.devices[0][1]

    def another(deal: Deal) -> Deal:
        return Dealer(cluster, culprit).deal_with_a_wrong_share((3,))

    cluster.alter(culprit, Deal, another, add=True)
    assert cluster.round().settled
    assert cluster.refusals == {"fog 0": {"equivocation": 1}}
    assert cluster.committed == cluster.digest_without()


# ---- a fog that hands on false dealings


def test_delivery__witness_replaced_by_the_fog__refused_and_dealer_not_blamed(cluster: Run) -> None:
    """The fog can only keep a share from a peer; as with an unproven complaint nothing is lost."""
    fog, peer = cluster.fogs[0], cluster.devices[0][3]

    def altered(delivery: Delivery) -> Delivery:
        first, *rest = delivery.dealings
        witness = parse_envelope(cluster.domain, first.witness)[1]
        false = cluster.signed(fog, replace(witness, opened=bytes(32)))
        return replace(delivery, dealings=(replace(first, witness=false), *rest))

    cluster.alter(fog, Delivery, altered, to=peer)
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.3": {"unknown-sender": 1}}
    assert cluster.committed == cluster.digest_without()


def test_delivery__one_dealing_twice__second_refused(cluster: Run) -> None:
    fog, peer = cluster.fogs[0], cluster.devices[0][3]
    cluster.alter(
        fog, Delivery, lambda d: replace(d, dealings=(*d.dealings, d.dealings[0])), to=peer
    )
    assert cluster.round().settled
    assert cluster.refusals == {"device 0.3": {"share-missing": 1}}
    assert cluster.committed == cluster.digest_without()
