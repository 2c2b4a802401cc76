"""A cluster without chain or network: keys, roster, packets, a selection and its dealings."""

from dataclasses import dataclass

import numpy as np

from offchain.crypto.attestation import BlsSecretKey
from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.layout import SlotLayout
from offchain.crypto.randomness import Randomness
from offchain.crypto.sealing import SealingKey
from offchain.protocol import masking, messages, selected_set, sharing
from offchain.protocol.device import DeviceKeys
from offchain.protocol.eip712 import Domain, SigningKey
from offchain.protocol.role import ClusterRoster, Member, Task, TaskParameters

BEACON = bytes(range(32))
ROUND = 1
BATCH = 1
CLUSTER = 0
VALUES = 5
VALUE_BOUND = 1_000


def task(
    *, packing: int = 1, threshold: int = 3, candidates: int = 2, noise_rounds: int = 2
) -> Task:
    parameters = TaskParameters(
        capacity=64,
        packing=packing,
        chunks=1,
        threshold=threshold,
        min_qualified=4,
        noise_rounds=noise_rounds,
        candidates=candidates,
        beacon_delay=2,
        fractional_bits=48,
        statistics_rounds=0,
        rate=2**40,
        min_samples=1,
        max_samples=100,
        anchor_time=2_000,
        cumulative_time=1_000,
        aggregate_time=1_000,
        unbonding_time=86_400,
        device_stake=1,
        fog_stake=1,
        cloud_stake=1,
        reward=0,
    )
    return Task(
        parameters,
        Domain(31_337, b"\x0c" * 20),
        SlotLayout(64, packing, 1, VALUES),
        CommitmentKey.load(64),
        VALUE_BOUND,
    )


def signing_key(number: int) -> SigningKey:
    return SigningKey(number.to_bytes(32, "big"))


@dataclass
class Cluster:
    """The devices of a cluster with all their keys, and what a fog knows of them."""

    task: Task
    keys: list[DeviceKeys]
    roster: ClusterRoster
    randomness: Randomness

    @staticmethod
    def of(count: int, **parameters: int) -> "Cluster":
        randomness = Randomness(b"tests of the protocol, 32 bytes!")
        keys = [
            DeviceKeys(
                signing_key(100 + i),
                BlsSecretKey.draw(randomness.child(b"bls %d" % i)),
                SealingKey.draw(randomness.child(b"sealing %d" % i)),
            )
            for i in range(count)
        ]
        members = {
            i: Member(
                i,
                own.signing.address,
                own.attestation.public_key.to_bytes(),
                own.sealing.public_key.data,
            )
            for i, own in enumerate(keys)
        }
        roster = ClusterRoster(CLUSTER, signing_key(1).address, members, count)
        return Cluster(task(**parameters), keys, roster, randomness)

    @property
    def separator(self) -> bytes:
        return self.task.separator

    @property
    def everybody(self) -> range:
        return range(len(self.keys))

    # ---- packets

    def batch(self, index: int) -> masking.NoiseBatch:
        return masking.make_noise_batch(self.task, BATCH, self.randomness.child(b"n %d" % index))

    def update(self, index: int, batch: masking.NoiseBatch) -> masking.MaskedUpdate:
        values = np.array([10 + index, *range(VALUES)], np.int64)
        return masking.mask_update(
            self.task,
            self.keys[index].signing.address,
            values,
            batch,
            ROUND,
            BEACON,
            self.randomness.child(b"u %d" % index),
        )

    def verify(
        self,
        packets: dict[int, messages.MaskedPacket],
        roots: dict[int, bytes] | None = None,
    ) -> masking.Verified:
        """As the fog does; the roots recorded are those of the packets, unless given."""
        recorded = {i: packet.noise_root for i, packet in packets.items()} | (roots or {})
        return masking.verify_packets(
            self.task,
            self.roster,
            recorded,
            ROUND,
            BATCH,
            BEACON,
            packets,
            self.randomness.child(b"fog"),
        )

    # ---- dealings

    def updates(self) -> list[masking.MaskedUpdate]:
        return [self.update(i, self.batch(i)) for i in self.everybody]

    def deal(
        self, selected: selected_set.SelectedSet, updates: list[masking.MaskedUpdate]
    ) -> dict[int, sharing.OwnDealing]:
        return {
            i: sharing.deal_shares(
                self.task,
                self.roster,
                selected,
                i,
                updates[i],
                ROUND,
                self.randomness.child(b"d %d" % i),
            )
            for i in selected.indices
        }

    def sealed_witness(self, index: int, witness: messages.Witness) -> bytes:
        return messages.seal_envelope(self.separator, self.keys[index].signing, witness)

    def deals(self, dealings: dict[int, sharing.OwnDealing]) -> dict[int, messages.Deal]:
        return {
            i: messages.Deal(
                round=ROUND,
                cluster=CLUSTER,
                index=i,
                witness=self.sealed_witness(i, dealing.witness),
                shares=dealing.sealed,
            )
            for i, dealing in dealings.items()
        }
