"""The page that Prometheus reads."""

import asyncio
import re
from collections import Counter
from types import SimpleNamespace
from typing import Any

from offchain.chain.watcher import Head
from offchain.nodes.logs import Place
from offchain.nodes.metrics import MetricsServer, page
from offchain.nodes.node import Counts
from offchain.transport.base import Statistics

LINE = re.compile(r'verifog_\w+\{node="fog-0",role="fog"(,\w+="[^"]*")?\} [-+.\de]+(inf)?')


def node() -> Any:
    """What of a node the page shows."""
    counts = Counts(gas=Counter(anchor=250_000), rejected=Counter({'od"d': 2}))
    sender = SimpleNamespace(pending=1, bumped=0, spent=10**17, balance=10**18, held="")
    transport = SimpleNamespace(statistics=Statistics(), outstanding=3, connected=True)
    return SimpleNamespace(
        counts=counts,
        transport=transport,
        chain=SimpleNamespace(sender=sender, watcher=SimpleNamespace(reorganisations=0)),
        durable=SimpleNamespace(round=7, counts=Counter()),
        place=Place("fog-0", "fog"),
        head=Head(9, 1_000),
        chain_answers=True,
        epsilon=lambda: 1.5,
    )


def test_page__every_line__is_in_the_format() -> None:
    text = page(node())
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) > 20
    for line in lines:
        assert LINE.fullmatch(line.replace(r"\"", "")), line
    assert 'verifog_gas_total{node="fog-0",role="fog",function="anchor"} 250000' in lines
    assert 'verifog_balance_ether{node="fog-0",role="fog"} 1' in lines
    assert r'reason="od\"d"} 2' in text
    for name in {line.split("{")[0] for line in lines}:
        assert f"# TYPE {name} " in text


def test_server__metrics_and_anything_else__answers_and_refuses() -> None:
    async def ask(port: int, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request + b"\r\nHost: x\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    async def scenario() -> None:
        server = MetricsServer(node())
        await server.start("127.0.0.1", 0)
        assert server._server is not None
        port = server._server.sockets[0].getsockname()[1]
        good = await ask(port, b"GET /metrics HTTP/1.1")
        assert good.startswith(b"HTTP/1.1 200 OK")
        assert b"verifog_round" in good
        assert (await ask(port, b"GET /secrets HTTP/1.1")).startswith(b"HTTP/1.1 404")
        assert (await ask(port, b"nonsense")).startswith(b"HTTP/1.1 404")
        await server.stop()

    asyncio.run(scenario())
