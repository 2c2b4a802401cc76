"""The attested anchor, the aggregate of attestations, and the sum from the shares released."""

from dataclasses import replace

import pytest

from offchain.crypto import attestation
from offchain.crypto.commitment import Commitment
from offchain.crypto.curve import g1_to_eip2537
from offchain.crypto.field import FieldVector
from offchain.crypto.hashing import keccak256, tagged, word
from offchain.crypto.merkle import MerkleTree
from offchain.protocol import anchoring, messages, selected_set, sharing
from offchain.protocol.errors import AttestationMismatch, SumDigestMismatch, WrongPhase
from offchain.protocol.messages import Reveal
from tests.offchain.crypto.oracles import G2_OFF_SUBGROUP
from tests.offchain.protocol.builders import CLUSTER, ROUND, Cluster

MESSAGE = bytes(range(32))


@pytest.fixture(scope="module")
def seven() -> Cluster:
    """Seven devices, quorum 3: two wrong sums can be located."""
    return Cluster.of(7)


@pytest.fixture(scope="module")
def selected(seven: Cluster) -> selected_set.SelectedSet:
    commitments = {i: u.commitment for i, u in enumerate(seven.updates())}
    return selected_set.select(seven.roster, commitments)


# ---- bitmaps and messages


@pytest.mark.parametrize(
    ("indices", "devices", "words"),
    [
        ((), 1, (0,)),
        ((0,), 1, (1,)),
        ((0, 5, 255), 256, (1 | 1 << 5 | 1 << 255,)),
        ((255, 256), 257, (1 << 255, 1)),
        ((1023,), 1024, (0, 0, 0, 1 << 255)),
    ],
)
def test_bitmap__of_indices__one_word_for_256_devices(
    indices: tuple[int, ...], devices: int, words: tuple[int, ...]
) -> None:
    assert anchoring.bitmap(indices, devices) == words


def test_anchor_message__of_an_anchor__as_the_specification_has_it(
    seven: Cluster, selected: selected_set.SelectedSet
) -> None:
    anchor = anchoring.make_anchor(selected, (1, 3), MESSAGE)
    assert anchor.shares_root == selected.root_of((1, 3))
    assert anchor.commitments == selected.commitments[1] + selected.commitments[3]
    assert anchoring.anchor_message(seven.task, ROUND, seven.roster, anchor) == tagged(
        "verifog anchor v1",
        seven.separator,
        word(ROUND),
        word(CLUSTER),
        anchor.shares_root,
        MESSAGE,
        keccak256(anchor.commitments.to_eip2537()),
        keccak256(word(0b1010)),
    )


def test_anchor_message__anything_else__another_message(
    seven: Cluster, selected: selected_set.SelectedSet
) -> None:
    anchor = anchoring.make_anchor(selected, (1, 3), MESSAGE)
    other = anchoring.make_anchor(selected, (1, 4), MESSAGE)
    changed = [
        anchor,
        replace(anchor, shares_root=bytes(32)),
        replace(anchor, sums_root=bytes(32)),
        replace(anchor, commitments=other.commitments),
        replace(anchor, qualified=other.qualified),
    ]
    made = [anchoring.anchor_message(seven.task, ROUND, seven.roster, a) for a in changed]
    made.append(anchoring.anchor_message(seven.task, ROUND + 1, seven.roster, anchor))
    elsewhere = replace(seven.roster, cluster=CLUSTER + 1)
    made.append(anchoring.anchor_message(seven.task, ROUND, elsewhere, anchor))
    other_chain = replace(seven.task, domain=replace(seven.task.domain, chain_id=1))
    made.append(anchoring.anchor_message(other_chain, ROUND, seven.roster, anchor))
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("present", [(0, 1, 2, 3, 4, 5, 6), (2, 3, 6), (5,)])
def test_anchor__built__every_device_finds_its_digest(
    seven: Cluster, selected: selected_set.SelectedSet, present: tuple[int, ...]
) -> None:
    digests = {i: keccak256(bytes([i])) for i in present}
    built = anchoring.build_anchor(seven.task, seven.roster, ROUND, selected, (0, 1), digests)
    assert (
        built.anchor.sums_root
        == MerkleTree([tagged("verifog sum v1", word(i), digests[i]) for i in present]).root
    )
    for i in present:
        p = built.proposal(ROUND, CLUSTER, i)
        assert p.commitments == built.anchor.commitments.to_bytes()
        leaf = messages.sum_leaf(i, digests[i])
        assert anchoring.under(p.sums_root, p.position, p.count, leaf, p.path)
        false = messages.sum_leaf(i, bytes(32))
        assert not anchoring.under(p.sums_root, p.position, p.count, false, p.path)


@pytest.mark.parametrize(
    ("position", "count", "path"),
    [(2, 2, ()), (0, 0, ()), (0, 3, (bytes(32),)), (0, 2, (b"",)), (0, 1, (bytes(32),))],
    ids=["position", "count", "path_too_short", "sibling_too_short", "path_too_long"],
)
def test_under__impossible_place_or_path__is_not(
    position: int, count: int, path: tuple[bytes, ...]
) -> None:
    assert not anchoring.under(bytes(32), position, count, bytes(32), path)


# ---- attestations


def signatures(cluster: Cluster, indices: tuple[int, ...]) -> dict[int, bytes]:
    return {i: cluster.keys[i].attestation.sign(MESSAGE).to_bytes() for i in indices}


def aggregate(cluster: Cluster, given: dict[int, bytes]) -> anchoring.Aggregate:
    return anchoring.aggregate(
        cluster.roster, MESSAGE, given, cluster.randomness.child(b"aggregate")
    )


def verifies(cluster: Cluster, made: anchoring.Aggregate) -> bool:
    """The signature holds for the sum of the signers' keys."""
    assert made.signature is not None
    key = attestation.aggregate_keys([cluster.keys[i].attestation.public_key for i in made.signers])
    points = [cluster.keys[i].attestation.sign(MESSAGE) for i in made.signers]
    attestation.verify(key, MESSAGE, attestation.aggregate(points))
    return made.signature == attestation.aggregate(points).to_eip2537()


@pytest.mark.parametrize("signers", [(0, 1, 2, 3, 4, 5, 6), (1, 4), (6,)])
def test_aggregate__of_some__absent_keys_are_those_of_the_others(
    seven: Cluster, signers: tuple[int, ...]
) -> None:
    made = aggregate(seven, signatures(seven, signers))
    assert (made.signers, made.refused) == (signers, ())
    assert made.absent_keys == tuple(
        g1_to_eip2537(seven.keys[i].attestation.public_key.point)
        for i in seven.everybody
        if i not in signers
    )
    assert verifies(seven, made)


def test_aggregate__of_none__no_signature(seven: Cluster) -> None:
    made = aggregate(seven, {})
    assert (made.signers, made.signature, len(made.absent_keys)) == ((), None, 7)


FALSE_SIGNATURES = {
    "of_another_message": lambda c: c.keys[2].attestation.sign(bytes(32)).to_bytes(),
    "by_another_key": lambda c: c.keys[3].attestation.sign(MESSAGE).to_bytes(),
    "zeros": lambda c: bytes(96),
    "infinity": lambda c: b"\xc0" + bytes(95),
    "outside_subgroup": lambda c: G2_OFF_SUBGROUP,
}


@pytest.mark.parametrize("name", sorted(FALSE_SIGNATURES))
def test_aggregate__with_a_false_one__named_and_left_out(seven: Cluster, name: str) -> None:
    given = signatures(seven, (0, 2, 5)) | {2: FALSE_SIGNATURES[name](seven)}
    made = aggregate(seven, given)
    assert made.signers == (0, 5)
    assert [(i, type(e)) for i, e in made.refused] == [(2, AttestationMismatch)]
    assert verifies(seven, made)


def test_aggregate__two_false_ones_that_cancel__both_left_out(seven: Cluster) -> None:
    """Their sum is right; a plain aggregate would hold."""
    shift = attestation.hash_to_g2(bytes(32))
    given = signatures(seven, (0, 1, 2))
    for i, point in [(1, shift), (2, -shift)]:
        honest = seven.keys[i].attestation.sign(MESSAGE)
        given[i] = attestation.BlsSignature(honest.point + point).to_bytes()
    made = aggregate(seven, given)
    assert made.signers == (0,)
    assert [i for i, _ in made.refused] == [1, 2]


# ---- sums


def sums(cluster: Cluster) -> tuple[FieldVector, Commitment, dict[int, FieldVector]]:
    """A vector, its commitment, and the point of every device on a polynomial through it."""
    layout = cluster.task.layout
    vector = cluster.randomness.child(b"vector").field_vector(layout.length)
    selected = selected_set.select(
        cluster.roster, {i: cluster.task.key.commit(vector) for i in cluster.everybody}
    )
    dealing = sharing.sharing.deal(
        cluster.task.key,
        selected.sharing_parameters(cluster.task),
        vector,
        cluster.task.key.commit(vector),
        context=bytes(32),
        dealer=bytes(20),
        randomness=cluster.randomness.child(b"dealing"),
    )
    return (
        vector,
        cluster.task.key.commit(vector),
        {i: dealing.shares[selected_set.coordinate(i)] for i in cluster.everybody},
    )


def bumped(share: FieldVector, by: int) -> FieldVector:
    return share + FieldVector.from_ints([by, *([0] * (len(share) - 1))])


def reconstruct(
    cluster: Cluster,
    commitment: Commitment,
    reveals: dict[int, FieldVector],
    *,
    locate: bool = True,
) -> anchoring.Reconstruction:
    return anchoring.reconstruct(
        cluster.task, commitment, reveals, cluster.randomness.child(b"decode"), locate=locate
    )


@pytest.mark.parametrize("present", [(0, 1, 2), (4, 5, 6), (0, 3, 6), tuple(range(7))])
def test_reconstruct__from_any_quorum__exact(seven: Cluster, present: tuple[int, ...]) -> None:
    vector, commitment, shares = sums(seven)
    outcome = reconstruct(seven, commitment, {i: shares[i] for i in present})
    assert outcome == anchoring.Reconstruction(vector, ())


@pytest.mark.parametrize("wrong", [(0,), (2,), (0, 1), (1, 2)])
def test_reconstruct__wrong_sums_within_reach__located_and_exact(
    seven: Cluster, wrong: tuple[int, ...]
) -> None:
    vector, commitment, shares = sums(seven)
    reveals = shares | {i: bumped(shares[i], 7 + i) for i in wrong}
    assert reconstruct(seven, commitment, reveals, locate=False).total is None
    assert reconstruct(seven, commitment, reveals) == anchoring.Reconstruction(vector, wrong)


@pytest.mark.parametrize("wrong", [(0, 1, 2), (0, 1, 2, 3), tuple(range(7))])
def test_reconstruct__more_wrong_than_can_be_located__nothing_and_nobody_blamed(
    seven: Cluster, wrong: tuple[int, ...]
) -> None:
    _, commitment, shares = sums(seven)
    reveals = shares | {i: bumped(shares[i], 7 + i) for i in wrong}
    assert reconstruct(seven, commitment, reveals) == anchoring.Reconstruction(None, ())


def test_reconstruct__consistent_but_of_another_commitment__nobody_blamed(seven: Cluster) -> None:
    _, commitment, shares = sums(seven)
    other = commitment + commitment
    assert reconstruct(seven, other, shares) == anchoring.Reconstruction(None, ())


def test_reconstruct__one_wrong_and_none_to_spare__nothing(seven: Cluster) -> None:
    """With one sum more than the quorum an error shows, but not where it is."""
    _, commitment, shares = sums(seven)
    reveals = {i: shares[i] for i in (1, 2, 3)} | {0: bumped(shares[0], 7)}
    assert reconstruct(seven, commitment, reveals) == anchoring.Reconstruction(None, ())


def reveal(index: int, total: bytes) -> Reveal:
    return Reveal(round=ROUND, cluster=CLUSTER, index=index, total=total)


def test_reveal__checked_against_the_digest_anchored(seven: Cluster) -> None:
    _, _, shares = sums(seven)
    digests = {1: shares[1].keccak()}
    assert anchoring.check_reveal(seven.task, digests, 1, reveal(1, shares[1].data)) == shares[1]
    with pytest.raises(SumDigestMismatch, match="device 1"):
        anchoring.check_reveal(seven.task, digests, 1, reveal(1, shares[2].data))
    with pytest.raises(WrongPhase, match="device 2"):
        anchoring.check_reveal(seven.task, digests, 2, reveal(2, shares[2].data))
