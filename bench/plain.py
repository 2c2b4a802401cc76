"""Plain federated averaging over the same in-process transport: nothing masked, nothing checked.

Devices send their update as 64-bit floating-point numbers in a signed message, the fog adds, the
cloud adds, and the mean goes back. What a verified round costs more is the price of verification.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.measure import cpu_seconds
from bench.shapes import RandomTrainer
from offchain.crypto.randomness import Randomness
from offchain.protocol.eip712 import SigningKey, recover


class Envelope(msgspec.Struct, array_like=True):
    """A signed vector."""

    signature: bytes
    vector: bytes


class Plain:
    """A cloud, fogs and devices that average."""

    def __init__(self, clusters: Sequence[int], values: int) -> None:
        randomness = Randomness.from_os()
        self._keys = [
            [SigningKey(randomness.scalar().to_bytes(32, "big")) for _ in range(count)]
            for count in clusters
        ]
        self._server = SigningKey(randomness.scalar().to_bytes(32, "big"))
        self._trainers = [
            [RandomTrainer(values, (cluster, i)) for i in range(count)]
            for cluster, count in enumerate(clusters)
        ]
        self.bytes = 0

    def _send(self, key: SigningKey, vector: NDArray[np.float64]) -> bytes:
        data = vector.tobytes()
        signature = key.sign(hashlib.sha256(data).digest())
        message = msgspec.msgpack.encode(Envelope(signature, data))
        self.bytes += len(message)
        return message

    def _take(self, key: SigningKey, message: bytes) -> NDArray[np.float64]:
        envelope = msgspec.msgpack.decode(message, type=Envelope)
        signer = recover(hashlib.sha256(envelope.vector).digest(), envelope.signature)
        if signer != key.address:
            raise ValueError("not signed by its sender")
        return np.frombuffer(envelope.vector)

    def round(self) -> None:
        sums = []
        for keys, trainers in zip(self._keys, self._trainers, strict=True):
            sent = [
                self._send(key, trainer.update([], updates_model=True).astype(np.float64))
                for key, trainer in zip(keys, trainers, strict=True)
            ]
            taken = [self._take(key, data) for key, data in zip(keys, sent, strict=True)]
            sums.append(self._send(self._server, np.sum(taken, axis=0)))
        total = np.sum([self._take(self._server, data) for data in sums], axis=0)
        for keys in self._keys:
            for _ in keys:
                self._take(self._server, self._send(self._server, total / total[0]))


def measure(clusters: Sequence[int], values: int, rounds: int) -> dict[str, Any]:
    task = Plain(clusters, values)
    task.round()
    made = []
    for _ in range(rounds):
        task.bytes = 0
        started, cpu = time.perf_counter(), cpu_seconds()
        task.round()
        seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
        made.append({"seconds": seconds, "cpu_seconds": cpu, "bytes": task.bytes})
    return {"rounds": made}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clusters", type=int, nargs="+", default=[32])
    parser.add_argument("--values", type=int, default=4068)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    print(json.dumps(measure(options.clusters, options.values, options.rounds)))


if __name__ == "__main__":
    main()
