"""The specification says what the code does: every message's struct, fields and tag stand in it."""

import typing
from pathlib import Path

import msgspec
import pytest

from offchain.protocol import messages

TEXT = (Path(__file__).parents[3] / "docs" / "specification.md").read_text()
KINDS = typing.get_args(messages.Message)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_specification__every_message__is_described_as_it_is(
    kind: type[messages.Message],
) -> None:
    names = ", ".join(field.name for field in msgspec.structs.fields(kind))
    assert f"| {kind.__struct_config__.tag} | {kind.__name__} |" in TEXT
    assert f"`{kind.TYPE}`" in TEXT
    assert f"| {kind.__name__} | {names} |" in TEXT


def test_specification__every_tag_of_the_code__stands_in_it() -> None:
    root = Path(__file__).parents[3] / "offchain"
    used = {
        text.split('"')[0]
        for room in ("crypto", "protocol", "chain", "nodes")
        for path in (root / room).rglob("*.py")
        for text in path.read_text().split('"verifog ')[1:]
    }
    missing = {tag for tag in used if tag.endswith(" v1") and f"`verifog {tag}`" not in TEXT}
    assert not missing
