"""Worker processes that act for nodes."""

import os
from collections.abc import Iterator

import pytest

from offchain.nodes.crew import Crew, CrewLost, Order
from offchain.protocol.role import Effect, Note, Role


class Echo(Role):
    """Notes what it is told, and how often it was told something."""

    def __init__(self, address: bytes) -> None:
        self.address = address
        self._told = 0

    def receive(self, data: bytes) -> list[Effect]:
        if data == b"fail":
            raise ValueError("told to fail")
        if data == b"end":
            os._exit(1)
        self._told += 1
        return [Note("told", {"data": data, "times": self._told})]


ADDRESSES = [bytes([i]) * 20 for i in range(1, 6)]


@pytest.fixture
def crew() -> Iterator[Crew]:
    hired = Crew([Echo(address) for address in ADDRESSES], 2)
    yield hired
    hired.close()


def tell(crew: Crew, data: bytes) -> list[list[Effect]]:
    orders = [Order(address, "receive", data + address) for address in reversed(ADDRESSES)]
    begun = [crew.begin(order) for order in orders]
    return [future.result()[0] for future in begun]


def test_orders__to_nodes_of_several_workers__answers_come_in_order_and_state_stays(
    crew: Crew,
) -> None:
    for times in (1, 2):
        assert tell(crew, b"a") == [
            [Note("told", {"data": b"a" + address, "times": times})]
            for address in reversed(ADDRESSES)
        ]
    assert crew.usage().peak_bytes > 0
    assert ADDRESSES[0] in crew
    assert bytes(20) not in crew


def test_order__that_raises__raises_here_and_the_worker_goes_on(crew: Crew) -> None:
    order = Order(ADDRESSES[0], "receive", b"fail")
    with pytest.raises(ValueError, match="told to fail"):
        crew.begin(order).result()
    assert len(tell(crew, b"b")) == len(ADDRESSES)


def power(base: int, exponent: int) -> int:
    return base**exponent


def test_map__over_workers__as_the_built_in_one(crew: Crew) -> None:
    bases, exponents = list(range(9)), [3] * 9
    expected = list(map(power, bases, exponents))
    assert list(crew.map(power, bases, exponents)) == expected
    assert list(crew.map(power, [], [])) == []


def test_map__while_orders_are_under_way__comes_after_them(crew: Crew) -> None:
    orders = [Order(address, "receive", b"a") for address in ADDRESSES]
    begun = [crew.begin(order) for order in orders]
    assert list(crew.map(power, [2, 3, 4], [2, 2, 2])) == [4, 9, 16]
    assert all(future.done() for future in begun)


def test_map__that_raises__raises_here_and_the_worker_goes_on(crew: Crew) -> None:
    with pytest.raises(ZeroDivisionError):
        list(crew.map(power, [0, 1], [-1, 1]))
    assert len(tell(crew, b"b")) == len(ADDRESSES)


def test_order__to_a_worker_that_ends__says_so(crew: Crew) -> None:
    order = Order(ADDRESSES[1], "receive", b"end")
    with pytest.raises(CrewLost, match="worker 1 has ended"):
        crew.begin(order).result()
