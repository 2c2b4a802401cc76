"""What must hold after any fault: nobody signed twice, nobody lost a stake, the audit passes."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from web3 import Web3

from offchain.audit.run import audit
from offchain.nodes.cluster import Cluster
from offchain.store.durable import MAY_DIFFER
from scripts._public import artifacts


def require_sound(cluster: Cluster) -> None:
    """Check a cluster, while its chain is still there."""
    for name in cluster.nodes:
        status = cluster.status(name)
        assert status is not None
        assert status["withheld"] == 0, name
        assert contradictions(cluster, name) == [], name
    for name in cluster.office.names():
        _, active, slashed, stake, *_ = cluster.contract.call("member", account_of(cluster, name))
        assert (active, slashed) == (True, False), name
        assert stake > 0
    _, audited = audit(cluster.chain.web3, cluster.contract.address, artifacts())
    assert audited.valid


def contradictions(cluster: Cluster, name: str) -> list[Any]:
    """Rounds, kinds and recipients to which two different messages left a node, over all its lives.

    Read from its log, which every message passes on its way to the broker.
    """
    seen: dict[tuple[int, str, str], set[str]] = defaultdict(set)
    for line in cluster.nodes[name].said().splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if said.get("digest") and said["kind"] and said["kind"] not in MAY_DIFFER:
            seen[said["of_round"], said["kind"], said["to"]].add(said["digest"])
    assert seen, f"{name}: its log has no messages"
    return [key for key, digests in seen.items() if len(digests) > 1]


def account_of(cluster: Cluster, name: str) -> str:
    stored = json.loads((cluster.office.kit(name) / "account.json").read_text())
    return str(Web3.to_checksum_address("0x" + stored["address"]))
