"""Providers that fail: another one serves, pauses grow, patience ends."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from offchain.chain.errors import WrongChain
from offchain.chain.provider import FallbackProvider, ProviderDown


class Clock:
    """Time that only pauses move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Served:
    """What an endpoint answers; an exception is raised."""

    def __init__(self, answer: Callable[[], Any], chain: str = "0x1") -> None:
        self.answer, self.chain, self.asked = answer, chain, 0

    def make_request(self, method: str, params: Any) -> Any:
        if method == "eth_chainId":
            return {"result": self.chain}
        self.asked += 1
        answer = self.answer()
        if isinstance(answer, Exception):
            raise answer
        return answer


def provider(clock: Clock, *served: Served, patience: float = 60.0) -> FallbackProvider:
    made = FallbackProvider(["http://x"] * len(served), 1, patience, 1, clock, clock.sleep)
    for endpoint, one in zip(made._endpoints, served, strict=True):
        endpoint.http = one
    return made


GOOD = {"result": "0x2a"}
BUSY = {"error": {"code": -32005, "message": "limit exceeded"}}
REVERT = {"error": {"code": -32603, "message": "execution reverted", "data": "0x12345678"}}


@pytest.mark.parametrize("trouble", [requests.ConnectionError(), requests.Timeout(), BUSY])
def test_request__first_fails__second_serves_without_a_pause(trouble: Any) -> None:
    clock, second = Clock(), Served(lambda: GOOD)
    made = provider(clock, Served(lambda: trouble), second)
    assert made.make_request("eth_blockNumber", []) == GOOD
    assert clock.pauses == []
    assert made.statistics.failures == {"0": 1}
    assert made.make_request("eth_blockNumber", []) == GOOD  # the first rests
    assert second.asked == 2


def test_request__all_fail_for_a_while__is_repeated_with_growing_pauses() -> None:
    clock, left = Clock(), [requests.ConnectionError()] * 4
    made = provider(clock, Served(lambda: left.pop() if left else GOOD))
    assert made.make_request("eth_blockNumber", []) == GOOD
    assert len(clock.pauses) == 4
    assert clock.pauses[3] > clock.pauses[0]


def test_request__all_fail_on_and_on__ends_with_what_was_told() -> None:
    clock = Clock()
    made = provider(clock, Served(requests.ConnectionError), patience=30.0)
    with pytest.raises(ProviderDown, match="eth_blockNumber: ConnectionError"):
        made.make_request("eth_blockNumber", [])
    assert 30.0 < clock.now < 45.0


def test_request__a_revert__is_an_answer(  # also from servers that call it an internal error
) -> None:
    clock, one = Clock(), Served(lambda: REVERT)
    assert provider(clock, one).make_request("eth_call", []) == REVERT
    assert one.asked == 1


def test_request__provider_of_another_chain__never_asked() -> None:
    clock, other = Clock(), Served(lambda: GOOD, chain="0x2")
    made = provider(clock, Served(requests.ConnectionError), other)
    with pytest.raises(WrongChain, match="provider 1 serves 2, expected 1"):
        made.make_request("eth_blockNumber", [])
    assert other.asked == 0
