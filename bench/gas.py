"""Gas of a round, beside the paper's chain part taken literally; in ether and in dollars."""

import json
import subprocess
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import Web3

from bench.node import local_node
from offchain.crypto.randomness import Randomness
from offchain.nodes.simulation import give_ether

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "tests" / "contracts" / "gas.json"
NOISE_ROUNDS = 8
FIRST = ", first of four rounds"
VERY_FIRST = "anchor, the first of a cluster"
DEVICES = 8  # whose transactions are measured for the baseline

# Assumptions, not measurements: scale the table by your own.
ETHER_DOLLARS = 3000.0
GWEI = {"mainnet": 2.0, "rollup": 0.02}
CLUSTERS = {10: 1, 100: 4, 1000: 16}


def compile_baseline() -> dict[str, Any]:
    """Compile the baseline with the project's compiler."""
    name = "PaperBaseline.sol"
    request = {
        "language": "Solidity",
        "sources": {name: {"content": (ROOT / "bench" / "contracts" / name).read_text()}},
        "settings": {
            "optimizer": {"enabled": True, "runs": 200},
            "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
        },
    }
    done = subprocess.run(
        ["node", str(ROOT / "tools" / "solc"), "--standard-json"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    compiled: dict[str, Any] = json.loads(done.stdout)["contracts"][name]["PaperBaseline"]
    return compiled


def baseline(web3: Web3) -> dict[str, int]:
    """Median gas of a device's two transactions, with all transactions in the first round."""
    compiled = compile_baseline()
    randomness = Randomness.from_os()
    accounts = [Account.from_key(randomness.bytes(32)) for _ in range(DEVICES)]
    give_ether(web3, [bytes.fromhex(account.address[2:]) for account in accounts])
    nonces = dict.fromkeys((account.address for account in accounts), 0)

    def send(account: Any, transaction: Any) -> Any:
        fields = {"from": account.address, "nonce": nonces[account.address], "gas": 2_000_000}
        built = transaction.build_transaction(
            fields | {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}
        )
        signed = account.sign_transaction(built)
        nonces[account.address] += 1
        return web3.eth.wait_for_transaction_receipt(
            web3.eth.send_raw_transaction(signed.raw_transaction), poll_latency=0.01
        )

    factory = web3.eth.contract(abi=compiled["abi"], bytecode=compiled["evm"]["bytecode"]["object"])
    address = send(accounts[0], factory.constructor())["contractAddress"]
    contract = web3.eth.contract(address=address, abi=compiled["abi"])
    functions = contract.functions
    noise = [
        send(account, functions.recordNoise(1, randomness.bytes(48)))["gasUsed"]
        for account in accounts
    ]
    hashes = [
        send(account, functions.recordHash(1, randomness.bytes(32)))["gasUsed"]
        for account in accounts
    ]
    return {"recordNoise": sorted(noise)[DEVICES // 2], "recordHash": sorted(hashes)[DEVICES // 2]}


def round_gas(
    figures: dict[str, dict[str, int]], devices: int, clusters: int, *, dearest: bool = False
) -> dict[str, int]:
    """All transactions of a round, claims apart, from the recorded figures.

    Sums of the first of four rounds begin words of signers that the other three use again: this is
    the mean of the four, or their dearest.
    """
    one = figures["1 cluster of 64"]
    several = figures["4 clusters of 64" if devices <= 64 * clusters else "4 clusters of 256"]
    more = (several["submitAggregate"] - one["submitAggregate"]) / 3
    noise = several["recordNoiseRoot"] / NOISE_ROUNDS
    later, first = (
        several["anchor" + kind] + several["submitCumulative" + kind] for kind in ("", FIRST)
    )
    each = (max(first, later) if dearest else (first + 3 * later) / 4) + noise
    total = one["openRound"] + clusters * each + one["submitAggregate"] + more * (clusters - 1)
    return {
        "devices": devices,
        "clusters": clusters,
        "gas": round(total),
        "gas per device": round(total / devices),
    }


def prices(gas: int) -> dict[str, dict[str, float]]:
    """Ether and dollars at the assumed prices."""
    ether = {network: gas * gwei / 1e9 for network, gwei in GWEI.items()}
    return {
        network: {"ether": amount, "dollars": amount * ETHER_DOLLARS}
        for network, amount in ether.items()
    }


def measure() -> dict[str, Any]:
    figures = json.loads(SNAPSHOT.read_text())
    with local_node() as web3:
        literal = baseline(web3)
    rows = []
    for devices, clusters in CLUSTERS.items():
        row = round_gas(figures, devices, clusters)
        paper = devices * (literal["recordNoise"] + literal["recordHash"])
        rows.append(row | {"prices": prices(row["gas"]), "paper gas": paper})
    large = round_gas(figures, 1024, 4, dearest=True)
    middle = round_gas(figures, 256, 4, dearest=True)
    scenes = [group for name, group in figures.items() if "cluster" in name]
    anchors = [group["anchor" + kind] for group in scenes for kind in ("", FIRST)]
    return {
        "recorded": figures,
        "paper": literal,
        "rounds": rows,
        "per device": {"4 clusters of 64": middle, "4 clusters of 256": large},
        "anchor": {
            "least": min(anchors),
            "greatest": max(anchors),
            "first": max(group[VERY_FIRST] for group in scenes),
        },
        "assumed": {"ether in dollars": ETHER_DOLLARS, "gwei": GWEI, "noise rounds": NOISE_ROUNDS},
    }


def main() -> None:
    print(json.dumps(measure()))


if __name__ == "__main__":
    main()
