"""The doctor finds nothing at a sound node, and each thing that is broken, with its remedy."""

from pathlib import Path

import pytest

from offchain.chain.code import Source
from offchain.nodes.cluster import Cluster, ClusterOptions
from offchain.nodes.doctor import examine
from offchain.nodes.processes import free_port
from tests.faults.conftest import Start

TASK = {"dataset": "fault2", "devices": 4, "fogs": 1, "rounds": 1}


def bad(path: Path, source: Source) -> dict[str, str]:
    return {one.check: one.told for one in examine(path, source) if not one.good}


def replaced(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    made = path.with_name("changed.toml")
    made.write_text(text.replace(old, new))
    return made


def copy_certificate(cluster: Cluster, to: Path) -> None:
    for name in ("node.pem", "node.key"):
        (to / name).write_bytes((cluster.office.kit("device-0-1") / name).read_bytes())


@pytest.mark.full
def test_doctor__sound_and_broken_nodes__finds_what_is_broken(
    prepare: Start, source: Source
) -> None:
    cluster = prepare(ClusterOptions(TASK))
    office = cluster.office
    for name in ("cloud-0", "fog-0", "device-0-0"):
        assert bad(office.kit(name) / "node.toml", source) == {}, name

    fog, device = office.kit("fog-0") / "node.toml", office.kit("device-0-0") / "node.toml"
    port = str(free_port())
    found = bad(replaced(fog, f"port = {cluster.broker_port}", f"port = {port}"), source)
    assert set(found) == {"broker"}
    assert port in found["broker"]

    found = bad(replaced(fog, cluster.chain.url, f"http://127.0.0.1:{port}"), source)
    assert {"providers", "clock", "precompiles", "contracts", "admission"} <= set(found)

    found = bad(replaced(fog, "least_balance = 0.0", "least_balance = 1e6"), source)
    assert set(found) == {"balance"}
    assert "kit" in bad(fog.with_name("missing.toml"), source)

    rows = office.kit("device-0-0") / "rows.csv"
    text = rows.read_text()
    rows.write_text(text.replace(",", ",x", 60))
    assert set(bad(device, source)) == {"rows"}
    rows.write_text(text)

    code = bytearray(source.runtime["Judge"])
    code[-100] ^= 1
    other = Source(source.artifact, {**source.runtime, "Judge": bytes(code)}, source.toolbox_abi)
    found = bad(device, other)
    assert "Judge at 0x" in found["contracts"]

    copy_certificate(cluster, office.kit("device-0-0"))
    found = bad(device, source)
    assert "certificate" in found
    assert "belongs to" in found["certificate"]
