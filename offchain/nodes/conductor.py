"""What a node begins by itself: a fog collects noise roots, a cloud opens the next round."""

import logging
from typing import Final, Protocol

from offchain.chain.contract import ContractS
from offchain.chain.sender import Sender
from offchain.chain.watcher import Head
from offchain.nodes.simulation import PHASES
from offchain.protocol.chain import OpenRound, RecordNoiseRoot
from offchain.protocol.cloud import Cloud
from offchain.protocol.fog import Fog
from offchain.protocol.role import Role, TaskParameters
from offchain.transport.base import Transport

_LOG = logging.getLogger(__name__)
BETWEEN_ROUNDS: Final = frozenset({"None", "Settled", "Failed"})
_REST: Final = 2  # blocks between two attempts to open a round


class Conductor(Protocol):
    """Says which command of its role is due."""

    def look(self, head: Head) -> None:
        """Ask S how things stand. Blocking: runs beside the node."""
        ...

    def due(self, role: Role) -> str | None:
        """The command to give now, if any."""
        ...


class _Look:
    """How a round stands, as S says."""

    def __init__(self, contract: ContractS, sender: Sender) -> None:
        self.contract = contract
        self.sender = sender
        self.phase = "None"
        self.round = 0
        self.head = Head(0, 0)

    def take(self, head: Head) -> None:
        self.head = head
        self.phase = PHASES[int(self.contract.call("phase"))]
        self.round = int(self.contract.call("currentRound"))

    @property
    def between_rounds(self) -> bool:
        return self.phase in BETWEEN_ROUNDS


class Idle:
    """A device begins nothing."""

    def __init__(self, contract: ContractS, sender: Sender) -> None:
        self._look = _Look(contract, sender)

    @property
    def phase(self) -> str:
        """Of the round."""
        return self._look.phase

    def look(self, head: Head) -> None:
        """Follow the phase, for the log."""
        self._look.take(head)

    def due(self, role: Role) -> str | None:
        """Nothing."""
        del role
        return None


class FogConductor(Idle):
    """Has a fog collect noise roots when no recorded root covers the next round."""

    def due(self, role: Role) -> str | None:
        """``call_noise`` between two rounds, once for each batch."""
        look = self._look
        ready = look.between_rounds and isinstance(role, Fog) and not role.collecting_noise
        if not ready or not isinstance(role, Fog) or look.sender.is_pending(RecordNoiseRoot):
            return None
        followed = role.last_round == look.round
        return "call_noise" if followed and role.needs_noise(look.round + 1) else None


class CloudConductor(Idle):
    """Has a cloud open the next round when the last is over and everybody is ready, or late.

    Parameters
    ----------
    parameters
        Of the task.
    rounds
        Training rounds to settle before it opens no more.
    most
        Rounds to open at most: what the privacy budget of the task allows; None for no bound. A
        round that failed counts, for its masked vectors may have been sent.
    patience
        Seconds of chain time to wait for noise roots and for the last result to arrive.
    place
        Among the clouds: each later one waits longer.
    transport
        Tells whether the last result has arrived.
    """

    def __init__(
        self,
        contract: ContractS,
        sender: Sender,
        parameters: TaskParameters,
        rounds: int,
        most: int | None,
        patience: float,
        place: int,
        transport: Transport,
    ) -> None:
        super().__init__(contract, sender)
        self._parameters = parameters
        self._rounds = rounds
        self._most = most
        self._patience = patience
        self._place = place
        self._transport = transport
        self.over = ""  # why no more rounds are opened
        self._settled = 0
        self._ready = False
        self._since: int | None = None  # chain time since when no round is open
        self._opened_at = -_REST  # block
        self._covered: dict[tuple[int, int], bool] = {}

    def ended(self, role: Cloud) -> str:
        """Why this cloud opens no more rounds; empty while it does."""
        look, wanted = self._look, self._parameters.statistics_rounds + self._rounds
        if not look.between_rounds or self._awaits(role):
            return ""
        if role.converged:
            return "converged"
        if self._settled >= wanted:
            return "all rounds settled"
        if self._most is not None and look.round >= self._most:
            return f"privacy budget: it allows {self._most} rounds, {self._settled} settled"
        return ""

    def _awaits(self, role: Cloud) -> bool:
        """Whether the model of the round that has settled may still come."""
        behind = role.last_round < self._look.round
        return self._look.phase == "Settled" and (behind or role.awaits_model)

    def look(self, head: Head) -> None:
        """Ask S for the phase and, between rounds, whose noise is recorded."""
        before = self._look.round
        super().look(head)
        if self._look.round != before or not self._look.between_rounds:
            self._since = None
        if not self._look.between_rounds:
            return
        self._since = head.time if self._since is None else self._since
        self._settled = int(self.contract.call("settledRounds"))
        self._ready = all(map(self._is_covered, range(int(self.contract.call("counts")[0]))))

    def _say(self, why: str) -> str:
        """Log once why no more rounds are opened."""
        if why and why != self.over:
            _LOG.info("opens no more rounds: %s", why)
        self.over = why
        return why

    @property
    def contract(self) -> ContractS:
        """Contract S."""
        return self._look.contract

    def _is_covered(self, cluster: int) -> bool:
        """Whether S holds a noise root of a cluster for the next round, or it has no members."""
        upcoming = self._look.round + 1
        if self._covered.get((cluster, upcoming)):
            return True
        first = max(1, upcoming - self._parameters.noise_rounds + 1)
        covered = any(
            any(bytes(self.contract.call("noiseRoot", cluster, batch)))
            for batch in range(upcoming, first - 1, -1)
        )
        if not covered:
            _, active, _, members, _, _ = self.contract.call("cluster", cluster)
            covered = not active or not members
        self._covered = {key: value for key, value in self._covered.items() if key[1] == upcoming}
        self._covered[cluster, upcoming] = covered
        return covered

    def due(self, role: Role) -> str | None:
        """``open_round`` when it is time."""
        look = self._look
        if not isinstance(role, Cloud) or not look.between_rounds or self._since is None:
            return None
        if self._awaits(role) or self._say(self.ended(role)):
            return None
        resting = look.head.number - self._opened_at < _REST
        if resting or look.sender.is_pending(OpenRound) or not role.active:
            return None
        waited = look.head.time - self._since
        if waited < self._patience * self._place:
            return None
        ready = self._ready and self._transport.outstanding == 0
        if not ready and waited < self._patience * (self._place + 1):
            return None
        self._opened_at = look.head.number
        return "open_round"
