"""Devices that fall silent: an interceptor for runs with ``--drop``."""

from collections.abc import Iterable

import numpy as np

from offchain.protocol.device import Device
from offchain.protocol.role import Role, Send

STEPS = ("MaskedPacket", "Deal", "ShareReport", "SumDigest", "Attestation", "Reveal")


class SilentDevices:
    """In every round each device falls silent with probability ``share``, at a random step.

    Parameters
    ----------
    share
        From 0 to 1.
    rng
        Who and when.
    """

    def __init__(self, share: float, rng: np.random.Generator) -> None:
        self._share = share
        self._rng = rng
        self._silent_from: dict[bytes, int] = {}
        self._drawn: set[bytes] = set()

    def next_round(self) -> None:
        """Forget who was silent."""
        self._silent_from.clear()
        self._drawn.clear()

    def __call__(self, role: Role, send: Send) -> Iterable[Send]:
        """Drop what a silent device sends."""
        if not isinstance(role, Device) or send.kind not in STEPS or not self._share:
            return (send,)
        if role.address not in self._drawn:
            self._drawn.add(role.address)
            if self._rng.random() < self._share:
                self._silent_from[role.address] = int(self._rng.integers(len(STEPS)))
        silent_from = self._silent_from.get(role.address, len(STEPS))
        return () if STEPS.index(send.kind) >= silent_from else (send,)
