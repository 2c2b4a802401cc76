"""What the three roles share: effects, counted rejections, and one way in for messages."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.layout import SlotLayout
from offchain.errors import VerifogError
from offchain.protocol.chain import Call, Event, MemberAdmitted
from offchain.protocol.eip712 import SIGNATURE_BYTES, Domain, SigningKey
from offchain.protocol.errors import ProtocolError, TooEarly, UnknownSender
from offchain.protocol.messages import Message, parse_envelope, seal_envelope


@dataclass(frozen=True)
class TaskParameters:
    """The parameters of a task as Contract S holds them (specification, section 2.1)."""

    capacity: int
    packing: int
    chunks: int
    threshold: int
    min_qualified: int
    noise_rounds: int
    candidates: int
    beacon_delay: int
    fractional_bits: int
    statistics_rounds: int
    rate: int
    min_samples: int
    max_samples: int
    anchor_time: int
    cumulative_time: int
    aggregate_time: int
    unbonding_time: int
    device_stake: int
    fog_stake: int
    cloud_stake: int
    reward: int
    model_rule: int = 0  # 0: S applies the rate; 1: the fogs vote on the model
    model_time: int = 0
    cloud_percent: int = 10
    fog_percent: int = 20
    silence_fee: int = 0
    max_silences: int = 3
    claim_time: int = 30 * 24 * 3600

    @property
    def quorum(self) -> int:
        """How many sums reconstruct, and how many devices must attest: t + l - 1."""
        return self.threshold + self.packing - 1


@dataclass(frozen=True)
class Member:
    """An admitted device: its place and its public keys, as S announced them."""

    index: int
    account: bytes
    public_key: bytes  # 48 bytes, G1, validated at admission by S
    sealing_key: bytes  # 32 bytes, X25519


@dataclass
class ClusterRoster:
    """The admitted members of one cluster, kept current from events of S."""

    cluster: int
    fog: bytes
    members: dict[int, Member] = field(default_factory=dict)
    admitted: int = 0  # devices ever admitted: the width of the bitmaps of S

    def admit(self, event: MemberAdmitted) -> None:
        """Take in a device that S has admitted."""
        if event.cluster == self.cluster:
            self.members[event.index] = Member(
                event.index, event.account, event.public_key, event.sealing_key
            )
            self.admitted = max(self.admitted, event.index + 1)

    def copy(self) -> "ClusterRoster":
        """As it is now: what a round keeps to, whoever leaves while it runs."""
        return ClusterRoster(self.cluster, self.fog, dict(self.members), self.admitted)

    def index_of(self, account: bytes) -> int:
        """The index of a device.

        Raises
        ------
        UnknownSender
            When the account is no active device of this cluster.
        """
        for member in self.members.values():
            if member.account == account:
                return member.index
        raise UnknownSender(f"sender: 0x{account.hex()} is no device of cluster {self.cluster}")


@dataclass(frozen=True)
class Task:
    """What every party knows of a task."""

    parameters: TaskParameters
    domain: Domain
    layout: SlotLayout
    key: CommitmentKey
    value_bound: int  # public bound on the absolute value of an update's integers

    @property
    def separator(self) -> bytes:
        """The EIP-712 domain separator of S."""
        return self.domain.separator


@dataclass(frozen=True)
class Send:
    """Effect: hand an encoded, signed message to the transport."""

    recipient: bytes
    kind: str
    data: bytes


@dataclass(frozen=True)
class Transact:
    """Effect: send a transaction to Contract S."""

    call: Call


@dataclass(frozen=True)
class Note:
    """Effect: something to log and count. Holds no secret."""

    kind: str
    fields: dict[str, Any]


Effect = Send | Transact | Note


class Role:
    """A pure state machine: messages, events and ticks go in, effects come out.

    A message received twice has no second effect. One that is ahead of the chain, as this party
    sees it, is kept (a bounded number of them) and tried again after the next event.
    """

    name = "role"
    MAX_DEFERRED = 4096

    def __init__(self, task: Task, signing_key: SigningKey) -> None:
        self.task = task
        self.address = signing_key.address
        self.rejected: Counter[str] = Counter()
        self.now = 0
        self._signing_key = signing_key
        self._domain = task.separator
        self._effects: list[Effect] = []
        self._seen: set[tuple[bytes, bytes]] = set()
        self._deferred: list[bytes] = []

    def receive(self, data: bytes) -> list[Effect]:
        """Take a message from the transport. A bad one is dropped with a counted reason."""
        try:
            sender, message = parse_envelope(self._domain, data)
            # An address and a signature, which stands last, determine what is signed.
            name = sender, data[-SIGNATURE_BYTES:]
            if name in self._seen:
                return []
            self._on_message(sender, message, data)
            self._seen.add(name)
        except TooEarly as error:
            if len(self._deferred) >= self.MAX_DEFERRED:
                self._reject(error)
            else:
                self._deferred.append(data)
        except VerifogError as error:
            self._reject(error)
        return self._flush()

    def observe(self, event: Event) -> list[Effect]:
        """Take an event of Contract S."""
        self._on_event(event)
        effects = self._flush()
        deferred, self._deferred = self._deferred, []
        for data in deferred:
            effects += self.receive(data)
        return effects

    def tick(self, now: int) -> list[Effect]:
        """Take the time: seconds of chain time, never going back."""
        self.now = max(self.now, now)
        self._on_tick()
        return self._flush()

    def next_wake(self) -> int | None:
        """The next time at which a tick would change something, if any."""
        return None

    def _on_message(self, sender: bytes, message: Message, data: bytes) -> None:
        """Every role overrides this. ``data`` is the envelope as it came: evidence, if needed."""
        del sender, data
        raise UnknownSender(f"{self.name}: takes no message of kind {type(message).__name__}")

    def _on_event(self, event: Event) -> None:
        """Roles that follow the chain override this."""

    def _on_tick(self) -> None:
        """Roles that keep deadlines override this."""

    def _send(self, recipient: bytes, message: Message) -> None:
        data = seal_envelope(self._domain, self._signing_key, message)
        self._effects.append(Send(recipient, type(message).__name__, data))

    def _transact(self, call: Call) -> None:
        self._effects.append(Transact(call))

    def _note(self, kind: str, **fields: Any) -> None:
        self._effects.append(Note(kind, fields))

    def _reject(self, error: VerifogError, **fields: Any) -> None:
        code = error.code if isinstance(error, ProtocolError) else type(error).__name__
        self.rejected[code] += 1
        self._note("rejected", reason=code, detail=str(error), **fields)

    def _flush(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects
