"""Between the nodes and their surroundings: what tests record, change, or hold back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

from web3.providers import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from offchain.chain.port import Receipt
from offchain.protocol.chain import Call, Event
from offchain.protocol.role import Note, Role, Send

Change = Callable[[Any], Any]
Rule = Callable[[Role, Send], Iterable[Send]]


class KeptConnection(JSONBaseProvider):
    """JSON-RPC over one open connection: these tests make thousands of requests."""

    def __init__(self, uri: str) -> None:
        super().__init__()
        self._connection = HTTPConnection(uri.removeprefix("http://"))

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        body = self.encode_rpc_request(method, params)
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        return self.decode_rpc_response(self._connection.getresponse().read())


class Recorder:
    """Keeps everything that happened in a run."""

    def __init__(self) -> None:
        self.sends: list[tuple[Role, Send]] = []
        self.notes: list[tuple[Role, Note]] = []
        self.receipts: list[Receipt] = []
        self.events: list[Event] = []

    def handled(self, role: Role, kind: str, seconds: float) -> None:
        """Times are of no interest."""

    def sent(self, role: Role, send: Send) -> None:
        self.sends.append((role, send))

    def noted(self, role: Role, note: Note) -> None:
        self.notes.append((role, note))

    def transacted(self, role: Role, receipt: Receipt) -> None:
        self.receipts.append(receipt)

    def happened(self, event: Event) -> None:
        self.events.append(event)


@dataclass
class Wire:
    """Stands between sender and receiver; the latest rule sees a message last."""

    rules: list[Rule] = field(default_factory=list)

    def __call__(self, role: Role, send: Send) -> Iterable[Send]:
        sends: list[Send] = [send]
        for rule in self.rules:
            sends = [out for one in sends for out in rule(role, one)]
        return sends


class TamperedChain:
    """A chain that may withhold or change the calls of some account."""

    def __init__(self, chain: Any) -> None:
        self._chain = chain
        self.rules: list[tuple[type, bytes | None, Change]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def execute(self, call: Call, sender: bytes) -> Receipt:
        for kind, account, change in self.rules:
            if isinstance(call, kind) and account in (None, sender):
                changed = change(call)
                if changed is None:
                    return Receipt(kind.__name__, None, sender, 0, "withheld")
                call = changed
        return self._chain.execute(call, sender)
