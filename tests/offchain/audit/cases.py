"""Tasks played on a chain of their own, and the public record that each leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from web3 import Web3

from offchain.audit.findings import Finding
from offchain.audit.record import PublicRecord
from offchain.audit.run import read_record
from offchain.audit.task import Artifacts
from offchain.audit.verifier import Audited, verify
from offchain.audit.voting import VOTE
from offchain.crypto.field import parse_field_vector
from offchain.crypto.hashing import keccak256
from offchain.learning.models import Model, ModelKind
from offchain.nodes import drill_frauds as frauds
from offchain.nodes.drill_dealing import (
    altered_constant_of_the_polynomial,
    falsify,
    wrong_share,
)
from offchain.protocol import messages
from offchain.protocol.aggregation import aggregate_challenge
from offchain.protocol.chain import SubmitAggregate, SubmitAnchor
from offchain.protocol.eip712 import typed_digest
from offchain.reporting.model_file import ColumnMap, ModelFile, encode_model
from tests.e2e.builders import Run, Shape, World

SHAPE = Shape(clusters=(4, 4), threshold=2, clouds=2, statistics_rounds=1, noise_rounds=2)
FEATURES = SHAPE.values - 1
QUIET_SHAPE = Shape(
    clusters=(3, 3),
    threshold=2,
    clouds=2,
    model_rule=1,
    model_time=100,
    silence_fee=10**15,
    max_silences=1,
)
FRAUDULENT_SHAPE = Shape(clusters=(6, 4), threshold=2)


@dataclass(frozen=True)
class Case:
    """What a task left: its public record, and model files by the round after which S held them."""

    record: PublicRecord
    artifacts: Artifacts
    models: dict[int, bytes]

    @property
    def model(self) -> bytes:
        """The newest model file."""
        return self.models[max(self.models)]

    def audit(self, record: PublicRecord | None = None, **options: Any) -> Audited:
        return verify(record or self.record, self.artifacts, **options)

    def findings(self, **changes: Any) -> list[Finding]:
        """What an audit of the record with some parts replaced finds."""
        return self.audit(replace(self.record, **changes)).checks.findings


def model_file(run: Run) -> bytes:
    """The file of the model that S holds."""
    slots, number = run.sim.model, int(run.contract.call("currentRound"))
    columns = ColumnMap((1.0,) * FEATURES, (0.5,) * FEATURES)
    return encode_model(
        ModelFile(
            contract=run.contract.address,
            chain_id=run.contract.chain_id,
            round=number,
            vector=slots,
            layout=run.shape.layout,
            commitment=run.task.key.commit(slots),
            step=0.25,
            fraction_bits=run.shape.parameters.fractional_bits,
            model=Model(ModelKind.LINEAR, FEATURES, 0),
            feature_names=tuple(f"tag {i}" for i in range(FEATURES)),
            class_names=(),
            target_name="yield",
            features=columns,
            target=ColumnMap((1.0,), (0.5,)),
        )
    )


def finished(run: Run, artifacts: Artifacts, models: dict[int, bytes]) -> Case:
    record = read_record(run.contract.web3, run.contract.address, artifacts)
    return Case(record, artifacts, models)


def settle(run: Run, models: dict[int, bytes]) -> None:
    """Run the next round and keep the model that it leads to."""
    outcome = run.round()
    assert outcome.settled
    models[outcome.round] = model_file(run)


def undisturbed(world: World, artifacts: Artifacts) -> Case:
    """A statistics round, three rounds, and everybody's claims."""
    run, models = world.run(), {}
    for _ in range(4):
        settle(run, models)
    run.sim.claim_rewards()
    return finished(run, artifacts, models)


def dropped_out(world: World, artifacts: Artifacts) -> Case:
    """Devices that fall silent at several steps, and a round without one of the clusters."""
    run, models = world.run(), {}
    settle(run, models)
    run.silence(run.devices[0][2], messages.MaskedPacket)
    run.silence(run.devices[1][0], messages.Attestation)
    settle(run, models)
    run.restore()
    run.silence(run.devices[0][1])
    run.silence(run.fogs[1], messages.ClusterSum)
    settle(run, models)
    run.restore()
    run.silence(run.fogs[1])
    settle(run, models)
    run.sim.claim_rewards()
    return finished(run, artifacts, models)


def eventful(world: World, artifacts: Artifacts) -> Case:
    """Two slashed clouds, a withdrawn model, exits, and claims in several ways."""
    run, models = world.run(), {}
    settle(run, models)
    run.alter(run.clouds[0], messages.Result, another_result, to=run.fogs[1])
    settle(run, models)  # rejected once, settled by the second cloud
    run.restore()
    run.alter_call(SubmitAnchor, lambda call: None)
    assert not run.round().settled  # nobody builds on it
    run.restore()
    before = model_file(run)
    models[int(run.contract.call("currentRound"))] = before
    settle(run, models)  # the model before is back, and the same devices with it
    leave(run)
    false_vector(run)  # nobody is left to settle the round
    claim_and_withdraw(run)
    run.sim.claim_rewards()
    return finished(run, artifacts, models)


def fraudulent(world: World, artifacts: Artifacts) -> Case:
    """Frauds of every kind by devices and fogs, until no cluster is left."""
    run = world.run()
    devices = run.devices[0]
    frauds.false_noise(run)
    falsify(run, devices[2], wrong_share)
    assert run.round().settled
    run.restore()
    falsify(run, devices[3], altered_constant_of_the_polynomial)
    assert run.round().settled
    run.restore()
    frauds.false_anchor(run, devices[4:])
    assert run.round().settled
    run.restore()
    fog, device = run.fogs[1], run.devices[1][1]
    other = partial(frauds.without_the_last, fog)
    run.alter(fog, messages.Selection, other, to=device, add=True)
    assert run.round().settled
    return finished(run, artifacts, {})


def quiet(world: World, artifacts: Artifacts) -> Case:
    """The fogs vote, one falls silent and comes back, one has a successor; nobody claims."""
    run, who, s = world.run(), world.identities, world.shape.parameters
    transact, successor = run.contract.transact, checksum(b"\x55" * 20)
    assert run.round().settled
    model = bytes(128)  # as at the beginning: the nodes know it
    words = (1, bytes(run.contract.call("round", 1)[-1]), keccak256(model))
    digest = typed_digest(run.domain, VOTE, words)
    transact(who.authority, "submitModel", 1, model, 0b11, [fog.sign(digest) for fog in who.fogs])
    run.silence(run.fogs[1])
    assert run.round().settled
    run.sim.network.advance(run.sim.chain.now() + 5_000)
    transact(who.authority, "closeRound")
    silent = checksum(who.fogs[1].address)
    transact(who.authority, "depositStake", silent, value=s.silence_fee)
    transact(who.fogs[1], "resumeCluster", 1)
    transact(who.fogs[0], "requestExit", b"")
    transact(who.authority, "depositStake", successor, value=s.fog_stake)
    transact(who.authority, "admitSuccessor", 0, successor)
    transact(who.authority, "withdrawPool", 10)
    run.sim.network.advance(run.sim.chain.now() + s.claim_time)
    transact(who.authority, "returnUnclaimed", 0)
    return finished(run, artifacts, {})


def another_result(result: messages.Result) -> messages.Result:
    return messages.Result(
        round=result.round,
        cluster=result.cluster,
        commitment_digest=bytes(32),
        total=result.total,
    )


def false_vector(run: Run) -> None:
    """The second cloud records a digest of something else than the sum, and is reported."""
    key, length = run.task.key, run.shape.layout.length
    vector = bytes(32 * length)
    sent: list[SubmitAggregate] = []

    def falsify(call: SubmitAggregate) -> SubmitAggregate:
        """The sum is the one cluster's; its opening moves with the digest."""
        total = parse_field_vector(run.sent(run.fogs[0], messages.ClusterSum)[-1].total, length)
        digest = keccak256(vector)
        point = aggregate_challenge(run.task, call.round, 1, key.commit(total).digest, digest)
        opening = key.open_at(total, point)
        proof = opening.proof.to_compressed_bytes()
        sent.append(replace(call, vector_digest=digest, y=opening.value, proof=proof))
        return sent[0]

    run.alter_call(SubmitAggregate, falsify)
    run.silence(run.clouds[1], messages.Result)
    assert run.round().settled
    run.restore()
    call = sent[0]
    run.contract.transact(
        run.sim.identities.fogs[0],
        "reportFalseVector",
        call.round,
        vector,
        call.clusters[0].commitments,
        call.y,
        call.proof,
    )
    run.network.run_until(lambda: True)


def leave(run: Run) -> None:
    """One device leaves by a relayed signature; a cluster's fog leaves by itself."""
    keys = run.sim.identities.devices[0][2]
    digest = typed_digest(run.domain, "Exit(address account)", (keys.signing.address,))
    run.contract.transact(
        run.sim.identities.fogs[0],
        "requestExitFor",
        checksum(keys.signing.address),
        keys.attestation.public_key.to_eip2537(),
        keys.signing.sign(digest),
    )
    run.contract.transact(run.sim.identities.fogs[1], "requestExit", b"")


def claim_and_withdraw(run: Run) -> None:
    """The reporter's credit, a claim named twice, and a stake after its unbonding."""
    who = run.sim.identities
    run.sim.network.advance(run.sim.chain.now() + run.shape.parameters.unbonding_time)
    run.contract.transact(who.fogs[0], "claim", checksum(who.fogs[1].address), [1])
    run.contract.transact(who.fogs[0], "claim", checksum(who.clouds[1].address), [2, 2])
    run.contract.transact(who.fogs[0], "withdrawStake", checksum(who.fogs[1].address))
    run.contract.transact(who.authority, "depositStake", checksum(b"\7" * 20), value=5)
    run.contract.transact(who.authority, "withdrawStake", checksum(b"\7" * 20))


def checksum(account: bytes) -> str:
    return str(Web3.to_checksum_address(account))
