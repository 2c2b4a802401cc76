"""Deployments, once a session; Ape's isolation takes every test back to them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.builders import Device, encode_commitment
from tests.contracts.deployed import PARAMETERS, Task, initial_model
from tests.contracts.receivers import compiled_receivers

DEVICES = 5


@pytest.fixture(scope="session")
def authority(accounts: Any) -> Any:
    return accounts[0]


@pytest.fixture(scope="session")
def outsider(accounts: Any) -> Any:
    return accounts[9]


@pytest.fixture(scope="session")
def receivers() -> dict[str, Any]:
    """Contracts that are paid and make trouble, by name."""
    return dict(compiled_receivers())


@pytest.fixture(scope="session")
def toolbox(project: Any, authority: Any) -> Any:
    """One for all tasks, as on a chain."""
    return authority.deploy(project.Toolbox)


@pytest.fixture(scope="session")
def extension(project: Any, authority: Any) -> Any:
    """One for all tasks, too."""
    return authority.deploy(project.Extension)


@pytest.fixture(scope="session")
def deploy(
    project: Any, chain: Any, authority: Any, toolbox: Any, extension: Any
) -> Callable[..., Task]:
    """Deploys a task without members; parameters by name change the defaults."""

    def build(**changes: int) -> Task:
        parameters = PARAMETERS | changes
        model = initial_model(parameters)
        contract = authority.deploy(
            project.ContractS,
            tuple(parameters.values()),
            encode_commitment(model),
            toolbox,
            extension,
        )
        return Task(contract, chain, authority, parameters, model)

    return build


@pytest.fixture(scope="session", autouse=True)
def founded(deploy: Callable[..., Task], accounts: Any, authority: Any) -> Task:
    """Two clusters of five devices, two clouds, a funded pool, noise roots from round 1 on."""
    task = deploy()
    for account in accounts[1:3]:
        task.add_cloud(account)
    for cluster, account in enumerate(accounts[3:5]):
        task.add_fog(account)
        task.add_devices(cluster, [Device.numbered(100 * cluster + i) for i in range(DEVICES)])
    task.contract.fundPool(sender=authority, value=10**18)
    task.record_noise_roots()
    return task


@pytest.fixture
def task(founded: Task) -> Task:
    """The founded task; the Python side starts from its initial model, as the chain does."""
    return Task(
        founded.contract,
        founded.chain,
        founded.authority,
        dict(founded.parameters),
        list(founded.model),
        list(founded.clouds),
        list(founded.fogs),
        [list(devices) for devices in founded.devices],
    )
