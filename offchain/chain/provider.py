"""Providers that fail: pauses that grow, another provider, and an end to patience.

A request is tried at one provider after the other. What a provider answers is passed on, also a
refusal of the call itself; only what says "not now" (a broken line, a time-out, a rate limit, a
fault of the server) is tried again. A provider of another chain is never asked.
"""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import requests
from web3 import HTTPProvider, Web3
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from offchain.chain.errors import ChainError, WrongChain

_LOG = logging.getLogger(__name__)
# JSON-RPC: "limit exceeded", "too many requests", and what servers say of a fault of their own.
_LATER: Final = frozenset({-32005, -32016, -32603, 429})
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class ProviderDown(ChainError):
    """No provider answers, for as long as patience lasted."""


@dataclass
class ProviderStatistics:
    """What has been counted since the start."""

    requests: int = 0
    failures: Counter[str] = field(default_factory=Counter)  # by the provider's place in the list


class _Endpoint:
    """One provider."""

    def __init__(self, url: str, timeout: float) -> None:
        self.http = HTTPProvider(
            url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None
        )
        self.checked = False
        self.again = 0.0  # when to ask it again


class FallbackProvider(JSONBaseProvider):  # type: ignore[misc]  # web3 is not followed
    """A provider over several.

    Parameters
    ----------
    urls
        In the order of preference.
    timeout
        Of one request, seconds.
    patience
        Seconds of failures before a request is given up.
    chain_id
        The chain that all must serve; None: whatever the first serves.
    """

    def __init__(
        self,
        urls: Sequence[str],
        timeout: float = 20.0,
        patience: float = 120.0,
        chain_id: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self.statistics = ProviderStatistics()
        self._endpoints = [_Endpoint(url, timeout) for url in urls]
        self._patience = patience
        self._chain_id = chain_id
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self.closing = threading.Event()

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Ask, with patience.

        Raises
        ------
        ProviderDown
            When none has answered for as long as patience lasts.
        WrongChain
            When one serves another chain.
        """
        with self._lock:
            self.statistics.requests += 1
        since, pause, told = self._clock(), _FIRST_PAUSE, ""
        while True:
            for place, endpoint in enumerate(self._endpoints):
                if self._clock() < endpoint.again and len(self._endpoints) > 1:
                    continue
                answer, why = self._ask(place, endpoint, method, params)
                if answer is not None:
                    return answer
                told = why
            if self._clock() - since > self._patience or self.closing.is_set():
                raise ProviderDown(f"chain: no provider answers {method}: {told}")
            self._sleep(pause * (0.5 + random.random()))  # noqa: S311  # spreads the load only
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _ask(
        self, place: int, endpoint: _Endpoint, method: RPCEndpoint, params: Any
    ) -> tuple[RPCResponse | None, str]:
        try:
            self._require_chain(place, endpoint)
            answer = endpoint.http.make_request(method, params)
        except (requests.RequestException, OSError, ValueError) as error:
            why = f"{type(error).__name__}"
        else:
            code = _code(answer)
            if code not in _LATER or _is_revert(answer):
                return answer, ""
            why = f"error {code}"
        with self._lock:
            self.statistics.failures[str(place)] += 1
        endpoint.again = self._clock() + _LONGEST_PAUSE
        _LOG.warning("chain: provider %d fails at %s: %s", place, method, why)
        return None, why

    def _require_chain(self, place: int, endpoint: _Endpoint) -> None:
        if endpoint.checked:
            return
        answer = endpoint.http.make_request(RPCEndpoint("eth_chainId"), [])
        served = int(str(answer["result"]), 16)
        if self._chain_id is None:
            self._chain_id = served
        if served != self._chain_id:
            raise WrongChain(
                f"chain id: provider {place} serves {served}, expected {self._chain_id}"
            )
        endpoint.checked = True


def _code(answer: RPCResponse) -> int | None:
    error = answer.get("error")
    return error.get("code") if isinstance(error, dict) else None


def _is_revert(answer: RPCResponse) -> bool:
    """Some servers report a revert as an internal error."""
    error = answer.get("error")
    if not isinstance(error, dict):
        return False
    return bool(error.get("data")) or "revert" in str(error.get("message", "")).lower()


def connect(
    urls: Sequence[str],
    timeout: float = 20.0,
    patience: float = 120.0,
    chain_id: int | None = None,
) -> Web3:
    """A client over several providers."""
    return Web3(FallbackProvider(urls, timeout, patience, chain_id))
