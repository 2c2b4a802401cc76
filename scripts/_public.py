"""What the commands that only read a chain share: options, compiled contracts, a provider."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from ape import networks, project
from ape.exceptions import ApeException
from ape.logging import logger
from web3 import Web3

from offchain.audit.task import Artifacts, Compiled
from offchain.errors import VerifogError

NODE = "http://127.0.0.1:8545"
TIMEOUT = 120  # seconds, for one request


def network_option() -> Callable[[Any], Any]:
    """Where the contract is."""
    text = "A node's address, or a network of Ape, as ethereum:sepolia:node."
    return click.option("--network", default=NODE, show_default=True, help=text)


def json_option() -> Callable[[Any], Any]:
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the result as JSON, nothing else."
    )


class Address(click.ParamType):
    """20 bytes in hexadecimal."""

    name = "address"

    def convert(self, value: Any, param: Any, ctx: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if not re.fullmatch(r"0x[0-9a-fA-F]{40}", str(value)):
            self.fail(f"{value}: 0x and 40 hexadecimal digits expected", param, ctx)
        return bytes.fromhex(str(value)[2:])


def artifacts() -> Artifacts:
    """The contracts of this folder, compiled."""
    return Artifacts(
        contract=Compiled.of(project.ContractS.contract_type),
        verifier=Compiled.of(project.Verifier.contract_type),
        noise_sampler=Compiled.of(project.NoiseSampler.contract_type),
        judge=Compiled.of(project.Judge.contract_type),
        extension=Compiled.of(project.Extension.contract_type),
    )


@contextmanager
def provider(network: str, *, as_json: bool) -> Iterator[Web3]:
    """A connection to the network; errors become one line."""
    if as_json:
        logger.set_level("ERROR")  # Ape writes to standard output too
    try:
        if node := re.search(r"https?://.*", network):
            # Not through Ape, which starts a node of its own where none answers.
            yield Web3(Web3.HTTPProvider(node.group(), request_kwargs={"timeout": TIMEOUT}))
        else:
            with networks.parse_network_choice(network) as connected:
                yield connected.web3
    except VerifogError as error:
        raise click.ClickException(str(error)) from None
    except (ApeException, ConnectionError) as error:
        raise click.ClickException(f"--network: {network}: {error}") from None
