"""A whole task in one process: keys, admission and nodes over a local chain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from web3 import Web3
from web3.types import RPCEndpoint

from offchain.chain.artifact import Artifact
from offchain.chain.contract import ContractS, Mined
from offchain.chain.local import LocalChain
from offchain.chain.translate import Directory, parameter_tuple
from offchain.crypto.attestation import BlsSecretKey
from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.field import FieldVector
from offchain.crypto.hashing import keccak256, tagged, word
from offchain.crypto.layout import SlotLayout
from offchain.crypto.randomness import Randomness
from offchain.crypto.sealing import SealingKey
from offchain.errors import VerifogError
from offchain.nodes.local import Interceptor, LocalNetwork, Observer, deliver_all
from offchain.protocol.chain import (
    ClusterAnchored,
    Event,
    ModelVoted,
    ResultAccepted,
    ResultRejected,
    RoundOpened,
)
from offchain.protocol.cloud import Cloud
from offchain.protocol.device import Device, DeviceKeys, Trainer
from offchain.protocol.eip712 import Domain, SigningKey
from offchain.protocol.fog import Fog
from offchain.protocol.role import Role, Task, TaskParameters
from offchain.protocol.selecting import Selector
from offchain.protocol.voting import Solver

ETHER = 10**18
PHASES = ("None", "Anchoring", "Accumulating", "Aggregating", "Settled", "Failed")
ADMISSIONS_PER_TRANSACTION = 16


@dataclass(frozen=True)
class Identities:
    """All keys of a simulated task. Their types hide themselves."""

    authority: SigningKey
    clouds: tuple[SigningKey, ...]
    fogs: tuple[SigningKey, ...]
    devices: tuple[tuple[DeviceKeys, ...], ...]  # by cluster

    @property
    def accounts(self) -> list[bytes]:
        """Everybody's. A device needs ether only to report its own fog."""
        signing = [self.authority, *self.clouds, *self.fogs]
        signing += [keys.signing for members in self.devices for keys in members]
        return [key.address for key in signing]


def draw_identities(randomness: Randomness, devices: Sequence[int], clouds: int = 1) -> Identities:
    """Draw the keys of a task with so many devices in each cluster."""

    def signing(label: str) -> SigningKey:
        return SigningKey(randomness.child(label.encode()).scalar().to_bytes(32, "big"))

    def device(cluster: int, index: int) -> DeviceKeys:
        own = randomness.child(b"device %d %d" % (cluster, index))
        return DeviceKeys(
            signing(f"device account {cluster} {index}"),
            BlsSecretKey.draw(own.child(b"attestation")),
            SealingKey.draw(own.child(b"sealing")),
        )

    return Identities(
        authority=signing("authority"),
        clouds=tuple(signing(f"cloud {i}") for i in range(clouds)),
        fogs=tuple(signing(f"fog {i}") for i in range(len(devices))),
        devices=tuple(
            tuple(device(cluster, index) for index in range(count))
            for cluster, count in enumerate(devices)
        ),
    )


def give_ether(web3: Web3, accounts: Sequence[bytes], wei: int = 10_000 * ETHER) -> None:
    """Set balances on anvil."""
    for account in accounts:
        web3.provider.make_request(
            RPCEndpoint("anvil_setBalance"),
            [Web3.to_checksum_address(account), hex(wei)],
        )


def deploy(
    web3: Web3,
    artifact: Artifact,
    authority: SigningKey,
    parameters: TaskParameters,
    model: bytes,
) -> ContractS:
    """Deploy Contract S, with a toolbox of its own, from an account of the Authority.

    Raises
    ------
    TransactionReverted
        When a parameter is out of its bounds or a precompile is not usable.
    """
    return ContractS.deploy(web3, artifact, authority, parameter_tuple(parameters), model)


def admit_all(
    contract: ContractS, identities: Identities, parameters: TaskParameters
) -> list[Mined]:
    """Deposit stakes and admit clouds, fogs and devices; returns the transactions."""
    mined: list[Mined] = []

    def send(function: str, *arguments: object, value: int = 0) -> None:
        mined.append(contract.transact(identities.authority, function, *arguments, value=value))

    for cloud in identities.clouds:
        send("depositStake", _checksum(cloud.address), value=parameters.cloud_stake)
        send("admitCloud", _checksum(cloud.address))
    for cluster, fog in enumerate(identities.fogs):
        send("depositStake", _checksum(fog.address), value=parameters.fog_stake)
        send("admitFog", _checksum(fog.address))
        admissions = []
        for keys in identities.devices[cluster]:
            account = _checksum(keys.signing.address)
            send("depositStake", account, value=parameters.device_stake)
            admissions.append(admission(contract.domain, keys))
        for start in range(0, len(admissions), ADMISSIONS_PER_TRANSACTION):
            batch = admissions[start : start + ADMISSIONS_PER_TRANSACTION]
            send("admitDevices", cluster, batch)
    return mined


def admission(domain: Domain, keys: DeviceKeys) -> tuple[str, bytes, bytes, bytes]:
    """What the Authority hands to S to admit a device."""
    public_key = keys.attestation.public_key
    message = tagged(
        "verifog pop v1",
        domain.separator,
        word_of_address(keys.signing.address),
        keccak256(public_key.to_eip2537()),
        keys.sealing.public_key.data,
    )
    return (
        _checksum(keys.signing.address),
        keys.sealing.public_key.data,
        public_key.to_eip2537(),
        keys.attestation.sign(message).to_eip2537(),
    )


def word_of_address(account: bytes) -> bytes:
    """An address as one word."""
    return word(int.from_bytes(account, "big"))


def _checksum(account: bytes) -> str:
    return str(Web3.to_checksum_address(account))


class RoundNotOpened(VerifogError):
    """Contract S refused to open a round."""


@dataclass
class RoundOutcome:
    """How a round of a simulation ended."""

    round: int
    settled: bool
    opened: RoundOpened
    result: ResultAccepted | None
    voted: ModelVoted | None = None


@dataclass
class _Current:
    opened: RoundOpened | None = None
    result: ResultAccepted | None = None
    voted: ModelVoted | None = None
    anchored: dict[int, ClusterAnchored] = field(default_factory=dict)
    served: dict[int, set[bytes]] = field(default_factory=dict)  # accounts by settled round


class Simulation:
    """All nodes of a task, round by round.

    Parameters
    ----------
    contract
        A deployed Contract S with everybody admitted and its pool funded.
    identities
        The keys of all parties.
    trainers
        Trainer of each device, by cluster and index.
    selector
        Makes the selector of each fog.
    layout, value_bound
        Layout of updates and the public bound of their integers.
    randomness
        Seeds every node.
    observer, interceptor
        As for the network.
    solver
        Makes the solver of each fog and cloud; None where S computes the model.
    """

    def __init__(
        self,
        contract: ContractS,
        identities: Identities,
        trainers: Sequence[Sequence[Trainer]],
        selector: Callable[[], Selector],
        parameters: TaskParameters,
        layout: SlotLayout,
        value_bound: int,
        randomness: Randomness,
        observer: Observer,
        interceptor: Interceptor = deliver_all,
        solver: Callable[[], Solver | None] = lambda: None,
    ) -> None:
        self.contract = contract
        self.identities = identities
        keys = [identities.authority, *identities.clouds, *identities.fogs]
        keys += [keys.signing for members in identities.devices for keys in members]
        self.chain = LocalChain(contract, {key.address: key for key in keys})
        self.chain.poll()
        self.task = Task(
            parameters, contract.domain, layout, CommitmentKey.load(layout.capacity), value_bound
        )
        model = FieldVector.zeros(layout.length)
        directory = self.chain.directory
        self.devices = [
            [
                Device(
                    self.task,
                    directory.roster(cluster),
                    index,
                    keys,
                    trainers[cluster][index],
                    randomness.child(b"device node %d %d" % (cluster, index)),
                )
                for index, keys in enumerate(members)
            ]
            for cluster, members in enumerate(identities.devices)
        ]
        self.fogs = [
            Fog(
                self.task,
                directory.roster(cluster),
                set(directory.clouds),
                key,
                model,
                selector(),
                randomness.child(b"fog node %d" % cluster),
                {place: fog.address for place, fog in enumerate(identities.fogs)},
                solver(),
            )
            for cluster, key in enumerate(identities.fogs)
        ]
        fogs: Mapping[int, bytes] = {i: fog.address for i, fog in enumerate(self.fogs)}
        standby = max(1, parameters.aggregate_time // 4)
        self.clouds = [
            Cloud(self.task, dict(fogs), key, model, standby=place * standby, solver=solver())
            for place, key in enumerate(identities.clouds)
        ]
        roles: list[Role] = [
            *self.clouds,
            *self.fogs,
            *(device for members in self.devices for device in members),
        ]
        self._current = _Current()
        self._observer = observer
        self.network = LocalNetwork(
            self.chain, roles, _Tap(self._current, directory, observer), interceptor
        )

    @property
    def model(self) -> FieldVector:
        """The model whose commitment S holds, from whoever holds it."""
        digest = bytes(self.contract.call("modelDigest"))
        held = [fog.model_of(digest) for fog in self.fogs]
        held += [cloud.model_of(digest) for cloud in self.clouds]
        return next((model for model in held if model is not None), self.fogs[0].model)

    def result(self, round_number: int) -> FieldVector | None:
        """The sum that a settled round released, from a fog that has verified it."""
        held = (fog.results.get(round_number) for fog in self.fogs)
        return next((total for total in held if total is not None), None)

    def run_round(self) -> RoundOutcome:
        """Prepare noise where it is due, open a round, and run it to its end."""
        number = int(self.contract.call("currentRound")) + 1
        self.prepare_noise(number)
        self._current.opened = self._current.result = self._current.voted = None
        opener = next((cloud for cloud in self.clouds if cloud.active), self.clouds[0])
        self.network.perform(opener, opener.open_round())
        self.network.run_until(lambda: self._closed(number), self._deadlines)
        return self._outcome(number)

    def _outcome(self, number: int) -> RoundOutcome:
        opened, result = self._current.opened, self._current.result
        if opened is None:
            raise RoundNotOpened(f"round {number}: Contract S did not open it")
        return RoundOutcome(number, result is not None, opened, result, self._current.voted)

    def claim_rewards(self) -> dict[bytes, Mined]:
        """Claim what everybody has earned; fogs send the claims of their devices.

        Returns
        -------
        dict
            The claim's transaction by the account that was paid.
        """
        opened = self._current.opened
        if opened is not None:
            self.network.advance(opened.aggregate_deadline)
        senders = {keys.address: keys for keys in (*self.identities.clouds, *self.identities.fogs)}
        for fog, members in zip(self.identities.fogs, self.identities.devices, strict=True):
            senders |= {keys.signing.address: fog for keys in members}
        claims: dict[bytes, Mined] = {}
        for account, sender in senders.items():
            rounds = [
                number for number, served in self._current.served.items() if account in served
            ]
            if rounds:
                claims[account] = self.contract.transact(
                    sender, "claim", _checksum(account), rounds
                )
        return claims

    def prepare_noise(self, number: int) -> None:
        """Let the fogs that have no noise for a round collect and record it."""
        due = [fog for fog in self.fogs if fog.needs_noise(number)]
        for fog in due:
            self.network.perform(fog, fog.call_noise())
        if due:
            self.network.run_until(lambda: all(not fog.collecting_noise for fog in due))

    def _closed(self, number: int) -> bool:
        if self._current.opened is None:
            return int(self.contract.call("currentRound")) < number
        if self._current.result is not None:
            return not self._votes_awaited()
        return PHASES[int(self.contract.call("phase"))] == "Failed"

    def _votes_awaited(self) -> bool:
        """Whether S still waits for the fogs' model before it opens a round."""
        opened, parameters = self._current.opened, self.task.parameters
        if opened is None or not parameters.model_rule or not opened.updates_model:
            return False
        until = opened.aggregate_deadline + parameters.model_time
        return self._current.voted is None and self.chain.now() < until

    def _deadlines(self) -> list[int]:
        opened = self._current.opened
        if opened is None:
            return []
        until = opened.aggregate_deadline + self.task.parameters.model_time
        return [
            until,
            opened.anchor_deadline,
            opened.cumulative_deadline,
            opened.aggregate_deadline,
        ]


class _Tap:
    """Passes everything on to the observer and keeps what the simulation itself needs."""

    def __init__(self, current: _Current, directory: Directory, observer: Observer) -> None:
        self._current = current
        self._directory = directory
        self.handled = observer.handled
        self.sent = observer.sent
        self.noted = observer.noted
        self.transacted = observer.transacted
        self._happened = observer.happened

    def _served(self, result: ResultAccepted) -> set[bytes]:
        """Who is paid for a round: its cloud, and fog and signers of the included clusters."""
        served = {result.cloud}
        for cluster in result.included:
            roster = self._directory.clusters[cluster]
            signers = self._current.anchored[cluster].signers
            served.add(roster.fog)
            served |= {roster.members[i].account for i in signers if i in roster.members}
        return served

    def happened(self, event: Event) -> None:
        match event:
            case RoundOpened():
                self._current.opened = event
                self._current.anchored = {}
            case ClusterAnchored():
                self._current.anchored[event.cluster] = event
            case ResultAccepted():
                self._current.result = event
                self._current.served[event.round] = self._served(event)
            case ModelVoted():
                self._current.voted = event
            case ResultRejected():
                self._current.result = self._current.voted = None
                self._current.served.pop(event.round, None)
            case _:
                pass
        self._happened(event)
