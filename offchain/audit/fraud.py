"""Evidence against devices and fogs, judged again (specification, section 2.5)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from offchain.audit.arithmetic import (
    ORDER,
    POINT_BYTES,
    Word,
    add_points,
    challenge,
    encode_points,
    evaluate,
    opens,
    parse_points,
    tagged,
    typed_signer,
    word,
)
from offchain.audit.findings import At
from offchain.audit.rounds import message_of
from offchain.audit.slashing import Offence, has_something, prove, slash
from offchain.audit.state import Member, NoiseCase, Role
from offchain.audit.step import Handler, Step
from offchain.audit.voting import VOTE
from offchain.crypto.curve import g1_to_bytes
from offchain.crypto.hashing import keccak256
from offchain.crypto.noise import thresholds

_NOISE_ROOT: Final = "NoiseRoot(uint256 round,uint256 cluster,uint256 index,bytes32 root)"
_PACKET: Final = (
    "MaskedPacket(uint256 round,uint256 cluster,uint256 index,uint256 batch,bytes32 commitment,"
    "bytes32 masked,bytes32 noiseRoot,bytes32 noise,bytes32 past)"
)
_WITNESS: Final = (
    "Witness(uint256 round,uint256 cluster,uint256 index,bytes32 selection,uint256 count,"
    "bytes32 commitment,bytes32 root,bytes32 polynomial,bytes32 opening)"
)
_SELECTION: Final = "Selection(uint256 round,uint256 cluster,bytes32 root,uint256 count)"
_QUALIFIED: Final = "Qualified(uint256 round,uint256 cluster,bytes32 root)"
_STATEMENTS: Final = (
    (_NOISE_ROOT, 4, 3),
    (_PACKET, 9, 3),
    (_WITNESS, 9, 3),
    (_SELECTION, 4, 2),
    (_QUALIFIED, 3, 2),
    (VOTE, 3, 2),
)
"""Type, number of words, and how many of them name the occasion, in the order of S."""

_BLINDING: Final = 3  # slots at the end of every block
_TABLE_FIRST: Final = -320
_TABLE: Final = tuple(int(threshold) for threshold in thresholds())
_LEAF_HEAD: Final = 22
_COORDINATE: Final = 48


# ---- what all share


def _convict(
    step: Step,
    at: At,
    member: Member,
    offence: Offence,
    number: int,
    evidence: bytes,
    public_key: bytes = b"",
    reporter: bytes | None = None,
) -> None:
    """Follow a conviction. The key of a device is read while it is active."""
    if member.active and member.role is Role.DEVICE:
        at.equal(step.argument("publicKey"), public_key, member.key)
    prove(step, at, member.account, offence, number, member.cluster, evidence)
    at.holds(
        step.argument("account"),
        has_something(step, member.account),
        "nothing to slash",
        "a stake or a member",
    )
    slash(step, at, member.account, reporter or step.sender)


def _device(step: Step, at: At, signer: bytes | None, cluster: int, index: int) -> Member | None:
    """The device at a place, checked to have signed."""
    known = step.state.cluster(cluster)
    if known is None or index >= len(known.devices):
        at.fail(step.argument("index"), index, f"a device of cluster {cluster}")
        return None
    member = known.devices[index]
    at.equal(step.argument("signature"), signer or b"", member.account)
    return member


def _root(leaf: bytes, position: int, path: Sequence[bytes]) -> bytes:
    node = keccak256(b"\0" + leaf)
    for height, sibling in enumerate(path):
        pair = (sibling, node) if position >> height & 1 else (node, sibling)
        node = keccak256(b"\1" + pair[0] + pair[1])
    return node if position >> len(path) == 0 else bytes(32)


def _tree(leaves: Sequence[bytes]) -> bytes:
    level: list[bytes] = [keccak256(b"\0" + leaf) for leaf in leaves]
    level += [bytes(32)] * ((1 << (len(level) - 1).bit_length()) - len(level))
    while len(level) > 1:
        level = [keccak256(b"\1" + level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


# ---- dealers


def _dealer(step: Step, witness: tuple[Any, ...]) -> tuple[At, Member | None, bytes, int]:
    """Place, dealer, struct hash and challenge of a signed witness."""
    state, task = step.state, step.state.task
    number, cluster, index, selection, count, commitments, root, polynomial = witness[:8]
    opened, proof, signature = witness[8:]
    at = step.in_round(number, cluster)
    points = parse_points(commitments, task["chunks"], infinity=True)
    at.holds(step.argument("commitments"), points is not None, commitments, "points of the group")
    compressed = b"".join(g1_to_bytes(point) for point in points or ())
    words: tuple[Word, ...] = (
        *(number, cluster, index, selection, count, keccak256(compressed), root),
        *(keccak256(polynomial), keccak256(word(opened) + proof)),
    )
    signer = typed_signer(state.domain, _WITNESS, words, signature)
    member = _device(step, at, signer, cluster, index)
    context = tagged("verifog context v1", state.domain, number, cluster, selection)
    dealer = member.account if member else b""
    sharing = (root, count, task["threshold"], task["packing"])
    rho = challenge("verifog share challenge v1", context, dealer, keccak256(commitments), *sharing)
    structure = keccak256(keccak256(_WITNESS.encode()) + b"".join(word(w) for w in words))
    return at, member, structure, rho


def report_false_share(step: Step) -> None:
    """A share under the dealer's signed root that is not P at its place."""
    witness, x, position, share, path, key = step.values
    at, member, _, rho = _dealer(step, witness)
    task = step.state.task
    leaf = keccak256(keccak256(b"verifog share v1") + word(x) + share)
    at.equal("reportFalseShare.path", _root(leaf, position, path), witness[6])
    part = 32 * task["capacity"] // task["packing"]
    parts = [evaluate(share[i : i + part], rho) for i in range(0, len(share), part)]
    folded = None
    if len(share) == part * task["chunks"] and None not in parts:
        step_up = pow(rho, task["capacity"], ORDER)
        folded = sum((p or 0) * pow(step_up, c, ORDER) for c, p in enumerate(parts)) % ORDER
    expected = _evaluate_loosely(witness[7], x)
    at.holds("reportFalseShare.share", folded != expected, share, "not the share that P gives")
    if member is not None:
        _convict(step, at, member, Offence.FALSE_SHARE, witness[0], leaf, key)


def report_false_witness(step: Step) -> None:
    """A witness that contradicts itself."""
    witness, key = step.values
    at, member, structure, rho = _dealer(step, witness)
    if step.thorough:
        good = _witness_holds(step.state.task, witness, rho)
        at.holds("reportFalseWitness.w", not good, "a good witness", "one that contradicts itself")
    if member is not None:
        _convict(step, at, member, Offence.FALSE_WITNESS, witness[0], structure, key)


def _witness_holds(task: Mapping[str, int], witness: tuple[Any, ...], rho: int) -> bool:
    polynomial, opened, proof = witness[7], witness[8], witness[9]
    if len(polynomial) != 32 * (task["threshold"] + task["packing"] - 1):
        return False
    values = [evaluate(polynomial, (ORDER - p) % ORDER) for p in range(task["packing"])]
    if None in values:
        return False
    step_up = pow(rho, task["capacity"] // task["packing"], ORDER)
    folded = sum((v or 0) * pow(step_up, p, ORDER) for p, v in enumerate(values)) % ORDER
    return folded == opened and opens(witness[5], task["capacity"], rho, opened, proof)


def _evaluate_loosely(coefficients: bytes, x: int) -> int:
    """As S does: coefficients are reduced, a rest of less than a word is not read."""
    value = 0
    for start in reversed(range(0, len(coefficients) - len(coefficients) % 32, 32)):
        value = (value * x + int.from_bytes(coefficients[start : start + 32], "big")) % ORDER
    return value


# ---- two statements


def report_equivocation(step: Step) -> None:
    """Two statements of one kind, occasion and signer that differ."""
    kind, first, first_signature, second, second_signature, key = step.values
    type_, count, occasion = _STATEMENTS[kind]
    one, other = _words(first), _words(second)
    number, cluster = (int.from_bytes(w, "big") for w in one[:2])
    at = step.in_round(number, cluster)
    at.equal("reportEquivocation.first", len(first), 32 * count)
    at.equal("reportEquivocation.second", len(second), 32 * count)
    at.equal("reportEquivocation.second", other[:occasion], one[:occasion])
    at.holds("reportEquivocation.second", first != second, "the same", "another statement")
    signer = typed_signer(step.state.domain, type_, one, first_signature)
    again = typed_signer(step.state.domain, type_, other, second_signature)
    at.equal("reportEquivocation.secondSignature", again or b"", signer or b"?")
    member: Member | None
    if occasion == _STATEMENTS[0][2]:
        member = _device(step, at, signer, cluster, int.from_bytes(one[2], "big"))
    else:
        member = step.state.members.get(signer or b"")
        fog = member is not None and member.role is Role.FOG
        # A model vote names no cluster.
        own = fog and member is not None and (type_ == VOTE or member.cluster == cluster)
        expected = "a fog's" if type_ == VOTE else f"the fog's of cluster {cluster}"
        at.holds("reportEquivocation.firstSignature", own, signer or "nobody's", expected)
    if member is not None:
        evidence = keccak256(keccak256(type_.encode()) + second)
        _convict(step, at, member, Offence.EQUIVOCATION, number, evidence, key)


def _words(data: bytes) -> list[bytes]:
    return [data[i : i + 32] for i in range(0, len(data), 32)]


# ---- anchors


def report_false_anchor(step: Step) -> None:
    """An anchor that is not what the leaves of its root say."""
    number, cluster, anchored, signer_count, vector_digest, leaves = step.values
    state, at = step.state, step.in_round(number, cluster)
    round_, known = state.rounds.get(number), state.cluster(cluster)
    recorded = round_.anchored.get(cluster) if round_ else None
    if recorded is None or known is None:
        at.fail("reportFalseAnchor.roundId", number, "a round in which the cluster anchored")
        return
    at.equal(
        "reportFalseAnchor.anchored", message_of(state, number, cluster, anchored), recorded.message
    )
    at.equal("reportFalseAnchor.signerCount", signer_count, len(recorded.signers))
    expected = recorded.vector_digest or bytes(32)
    at.equal("reportFalseAnchor.vectorDigest", vector_digest, expected)
    root, indices, accounts, total = _read_leaves(leaves, state.task["chunks"])
    at.equal("reportFalseAnchor.leaves", root, anchored[0])
    places = [known.devices[i].account if i < len(known.devices) else None for i in indices]
    true = (
        indices == sorted(recorded.qualified)
        and accounts == places
        and total == recorded.commitments
    )
    at.holds("reportFalseAnchor.leaves", not true, "what is anchored", "something else")
    fog = state.member(state.fog_of(cluster, number))
    _convict(step, at, fog, Offence.FALSE_ANCHOR, number, recorded.message)


def _read_leaves(data: bytes, chunks: int) -> tuple[bytes, list[int], list[bytes], bytes]:
    """Root over packed leaves, their indices and accounts, and the sum of their points."""
    size = _LEAF_HEAD + 2 * _COORDINATE * chunks
    leaves, indices, accounts = [], [], []
    total = parse_points(bytes(POINT_BYTES * chunks), chunks, infinity=True) or ()
    for start in range(0, len(data) - size + 1, size):
        packed = data[start : start + size]
        index, account = int.from_bytes(packed[:2], "big"), packed[2:_LEAF_HEAD]
        coordinates = packed[_LEAF_HEAD:]
        points = b"".join(
            bytes(16) + coordinates[i : i + _COORDINATE]
            for i in range(0, len(coordinates), _COORDINATE)
        )
        leaves.append(tagged("verifog selected v1", index, account, keccak256(points)))
        indices.append(index)
        accounts.append(account)
        parsed = parse_points(points, chunks, infinity=True)
        if parsed is not None:
            total = add_points(total, parsed)
    return _tree(leaves) if leaves else b"", indices, accounts, encode_points(total)


# ---- noise


def _noise_case(step: Step, evidence: tuple[Any, ...]) -> tuple[At, Member | None, bytes]:
    """Place, device and id of a noise case."""
    batch, cluster, index, root, signature, place, candidate, seed = evidence[:8]
    claimed, position, path, actual = evidence[8:]
    domain = step.state.domain
    at = step.in_round(batch, cluster)
    at.holds(step.argument("actual"), claimed != actual, actual, "not what is committed")
    signer = typed_signer(domain, _NOISE_ROOT, (batch, cluster, index, root), signature)
    member = _device(step, at, signer, cluster, index)
    seed_hash = tagged("verifog noise seed v1", seed)
    leaf = tagged("verifog noise candidate v1", place, candidate, seed_hash, claimed)
    at.equal(step.argument("path"), _root(leaf, position, path), root)
    device = member.account if member else b""
    return at, member, tagged("verifog noise case v1", domain, device, root, leaf, actual)


def advance_noise_case(step: Step) -> None:
    """Some more slots of a seed's noise, from the last one down."""
    evidence, slots = step.values
    state, task = step.state, step.state.task
    at, _, case = _noise_case(step, evidence)
    length = task["capacity"] * task["chunks"]
    before = state.noise_cases.get(case, NoiseCase(step.sender, 0, 0))
    left = length - before.done
    z, value = int.from_bytes(case, "big") % ORDER, before.value
    block = task["capacity"] // task["packing"]
    for slot in reversed(range(left - min(slots, left), left)):
        value = (value * z + _noise_element(evidence[7], slot, block)) % ORDER
    after = NoiseCase(before.reporter, before.done + min(slots, left), value)
    state.noise_cases[case] = after
    step.emitted.expect(
        at,
        "NoiseCaseAdvanced",
        caseId=case,
        reporter=after.reporter,
        done=after.done,
        value=after.value,
    )


def _noise_element(seed: bytes, slot: int, block: int) -> int:
    name = slot.to_bytes(4, "big")
    if slot % block + _BLINDING >= block:
        halves = (sha256(seed + half + name).digest() for half in (b"\1", b"\2"))
        return int.from_bytes(b"".join(halves), "big") % ORDER
    digest = sha256(seed + name).digest()
    words = [int.from_bytes(digest[i : i + 8], "big") for i in range(0, 32, 8)]
    x0, x1, x2, x3 = (_TABLE_FIRST + bisect_right(_TABLE, w) for w in words)
    return ((x0 + 8 * x1) + 64 * (x2 + 8 * x3)) % ORDER


def report_false_noise(step: Step) -> None:
    """Committed noise that is not its seed's, once all of it is computed."""
    evidence, commitments, proof, key = step.values
    task = step.state.task
    at, member, case = _noise_case(step, evidence)
    computed = step.state.noise_cases.get(case, NoiseCase(step.sender, 0, 0))
    length = task["capacity"] * task["chunks"]
    at.equal("reportFalseNoise.evidence", computed.done, length)
    at.equal("reportFalseNoise.commitments", keccak256(commitments), evidence[-1])
    if step.thorough:
        z = int.from_bytes(case, "big") % ORDER
        opened = opens(commitments, task["capacity"], z, computed.value, proof)
        expected = f"an opening to {computed.value} at {z}"
        at.holds("reportFalseNoise.proof", opened, proof, expected)
    if member is not None:
        number, reporter = evidence[0], computed.reporter
        _convict(step, at, member, Offence.FALSE_NOISE, number, case, key, reporter)


HANDLERS: Final[Mapping[str, Handler]] = {
    "reportFalseShare": report_false_share,
    "reportFalseWitness": report_false_witness,
    "reportEquivocation": report_equivocation,
    "reportFalseAnchor": report_false_anchor,
    "advanceNoiseCase": advance_noise_case,
    "reportFalseNoise": report_false_noise,
}
