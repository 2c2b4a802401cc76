"""Admission: everybody staked, admitted and funded; the task file signed; the broker configured."""

from collections.abc import Sequence
from typing import Any

from web3 import Web3

from offchain.chain.contract import ContractS, Prepared
from offchain.chain.translate import checksum
from offchain.nodes.authority import BROKER, Office
from offchain.nodes.errors import KitRefused, NodeError
from offchain.nodes.kit import ACCOUNT_FILE, NodeKeys, read_keys
from offchain.nodes.simulation import ADMISSIONS_PER_TRANSACTION, ETHER, admission
from offchain.nodes.task_file import TASK_FILE, VERSION, TaskFile, learning_of, write_task
from offchain.nodes.training import STATISTICS_ATTEMPTS
from offchain.protocol.device import DeviceKeys
from offchain.protocol.eip712 import SigningKey
from offchain.transport.base import Credentials
from offchain.transport.broker_config import BrokerSettings, write_broker
from offchain.transport.mqtt import task_name


class _Admission:
    """Admits everybody who is not admitted yet."""

    def __init__(self, office: Office, contract: ContractS, key: SigningKey) -> None:
        self._office = office
        self._contract = contract
        self._key = key
        self._prepared: list[Prepared] = []
        self.transactions = 0

    def _prepare(self, function: str, *arguments: Any, value: int = 0) -> None:
        sender = self._key.address
        self._prepared.append(self._contract.prepare(sender, function, *arguments, value=value))

    def _send(self) -> None:
        """Send what is prepared; what needs it is prepared afterwards."""
        self._contract.send_all(self._key, self._prepared)
        self.transactions += len(self._prepared)
        self._prepared = []

    def _role(self, account: bytes) -> tuple[int, int]:
        role, _, _, stake, *_ = self._contract.call("member", checksum(account))
        return int(role), int(stake)

    def run(self, kits: Sequence[NodeKeys]) -> None:
        """Admit clouds, fogs and devices, in the order that gives them their places."""
        new = [keys for keys in kits if not self._role(keys.signing.address)[0]]
        for keys in new:
            self._stake(keys)
        self._send()
        for keys in new:
            if keys.role != "device":
                name = "admitCloud" if keys.role == "cloud" else "admitFog"
                self._prepare(name, checksum(keys.signing.address))
        self._send()
        for cluster in range(len(self._office.plan.clusters)):
            self._admit_devices(cluster, [k.device for k in new if k.cluster == cluster])
        self._fill_pool()
        self._fund(kits)
        self._send()

    def _stake(self, keys: NodeKeys) -> None:
        needed = int(getattr(self._office.parameters, f"{keys.role}_stake"))
        missing = needed - self._role(keys.signing.address)[1]
        if missing > 0:
            self._prepare("depositStake", checksum(keys.signing.address), value=missing)

    def _admit_devices(self, cluster: int, devices: Sequence[DeviceKeys | None]) -> None:
        made = [admission(self._contract.domain, keys) for keys in devices if keys is not None]
        for start in range(0, len(made), ADMISSIONS_PER_TRANSACTION):
            self._prepare("admitDevices", cluster, made[start : start + ADMISSIONS_PER_TRANSACTION])

    def _fill_pool(self) -> None:
        reward = self._office.parameters.reward
        wanted = reward * (self._office.plan.rounds + STATISTICS_ATTEMPTS)
        missing = wanted - int(self._contract.call("accounting")[2])
        if missing > 0 and not int(self._contract.call("currentRound")):
            self._prepare("fundPool", value=missing)

    def _fund(self, kits: Sequence[NodeKeys]) -> None:
        web3 = self._contract.web3
        for keys in kits:
            wanted = round(getattr(self._office.config.funding, keys.role) * ETHER)
            account = Web3.to_checksum_address(keys.signing.address)
            missing = wanted - int(web3.eth.get_balance(account))
            if missing > 0:
                self._prepared.append(self._contract.payment(keys.signing.address, missing))


def admit(office: Office, contract: ContractS) -> int:
    """Admit everybody, fund nodes and pool, sign the task file and configure the broker.

    Returns
    -------
    int
        How many transactions it took; 0 when all was done before.

    Raises
    ------
    NodeError, TransactionReverted
        When a kit is missing, or S refuses somebody.
    """
    key = office.key
    kits = _kits(office, contract)
    admission_ = _Admission(office, contract, key)
    admission_.run(kits)
    _require_places(contract, kits)
    task = _task_file(office, contract)
    for keys in kits:
        write_task(office.kit(keys.name) / TASK_FILE, task, key)
    write_task(office.folder / TASK_FILE, task, key)
    write_broker(broker_settings(office, contract))
    return admission_.transactions


def _kits(office: Office, contract: ContractS) -> list[NodeKeys]:
    """Keys of the kits that are here; one that was handed over must be admitted already."""
    found = []
    for name, account in office.nodes().items():
        if (office.kit(name) / ACCOUNT_FILE).exists():
            found.append(read_keys(office.kit(name), office.kit_unlock(name)))
        elif not contract.call("member", checksum(account))[0]:
            raise KitRefused(f"{office.kit(name)}: not here, and {name} is not admitted yet")
    return found


def _require_places(contract: ContractS, kits: Sequence[NodeKeys]) -> None:
    """Check that S has put everybody where the kits say."""
    for keys in kits:
        _, _, _, _, cluster, index, _ = contract.call("member", checksum(keys.signing.address))
        place = (index, 0) if keys.role == "cloud" else (cluster, index)
        if place != (keys.cluster, keys.index):
            raise NodeError(
                f"{keys.name}: Contract S has it at {place}: somebody else was admitted between"
            )


def _task_file(office: Office, contract: ContractS) -> TaskFile:
    record, checked = office.record(), office.plan
    return TaskFile(
        version=VERSION,
        chain_id=contract.chain_id,
        contract="0x" + contract.address.hex(),
        toolbox="0x" + record.toolbox.hex(),
        authority="0x" + office.key.address.hex(),
        deployed_at=record.block,
        created_by="0x" + record.created_by.hex(),
        parameters=record.content["parameters"],
        learning=learning_of(checked, office.learning),
    )


def broker_settings(office: Office, contract: ContractS) -> BrokerSettings:
    """The broker of the task."""
    place, folder = office.config.broker, (office.folder / BROKER).absolute()
    files = (folder / "broker.pem", folder / "broker.key", folder / "authority.pem")
    return BrokerSettings(
        folder=folder,
        task=task_name(contract.domain.separator),
        credentials=Credentials(*files),
        host=place.listen,
        port=place.listen_port or place.port,
        user=place.user or None,
    )
