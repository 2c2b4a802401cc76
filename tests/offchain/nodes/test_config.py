"""A node's file: every error names file, key and bound; secrets may come from the environment."""

from pathlib import Path

import pytest

from offchain.nodes.config import ENVIRONMENT, NodeConfig, keys, load_config
from offchain.nodes.errors import ConfigRefused
from offchain.store.keyring import KeyFile, Passphrase

ROOT = Path(__file__).resolve().parents[3]
MINIMAL = """
[chain]
urls = ["http://127.0.0.1:8545"]
[broker]
host = "broker.plant"
[unlock]
key_file = "unlock.key"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "node.toml"
    file.write_text(MINIMAL)
    return file


def test_load__minimal_file__defaults_and_paths_beside_it(path: Path) -> None:
    loaded = load_config(path, {})
    assert loaded.config.chain.urls == ("http://127.0.0.1:8545",)
    assert loaded.config.broker.port == 8883
    assert loaded.state == path.parent / "state"
    assert loaded.unlock == KeyFile(path.parent / "unlock.key")


def test_load__environment__takes_the_place_of_keys(path: Path) -> None:
    given = dict.fromkeys(ENVIRONMENT, "")
    given = {"VERIFOG_PASSPHRASE": "quiet", "VERIFOG_CHAIN_URLS": "https://a,https://b"}
    loaded = load_config(path, {**given, "VERIFOG_STATE": "/var/lib/x"})
    assert loaded.config.chain.urls == ("https://a", "https://b")
    assert loaded.unlock == Passphrase("quiet")
    assert loaded.state == Path("/var/lib/x")
    assert "quiet" not in repr(loaded.unlock)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("[metrics]\nport = 70000\n", "`int` <= 65535 - at `metrics.port`"),
        ("[metrics]\nprot = 1\n", "unknown field `prot` - at `metrics`"),
        ("[data]\npath = ''\n", "length >= 1 - at `data.path`"),
        ("[log]\nlevel = 'loud'\n", "at `log.level`"),
        ("[cloud]\npatience = 0\n", "`float` > 0.0 - at `cloud.patience`"),
        ("[log\n", "no TOML"),
    ],
)
def test_load__value_out_of_its_bound__error_names_file_key_and_bound(
    path: Path, more: str, told: str
) -> None:
    path.write_text(MINIMAL + more)
    with pytest.raises(ConfigRefused) as caught:
        load_config(path, {})
    assert str(path) in str(caught.value)
    assert told in str(caught.value)


def test_load__no_file__error_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match=r"node\.toml: No such file"):
        load_config(tmp_path / "node.toml", {})


def test_unlock__nothing_or_both__refused(path: Path) -> None:
    path.write_text(MINIMAL.replace("key_file", "passphrase") + 'key_file = "b"\n')
    with pytest.raises(ConfigRefused, match="exactly one"):
        _ = load_config(path, {}).unlock


def test_keys__every_one__is_explained_in_the_guide() -> None:
    guide = (ROOT / "docs/operations.md").read_text()
    assert len(list(keys(NodeConfig))) > 20
    for key in keys(NodeConfig):
        assert key.meaning, key.name
        assert f"| `{key.name}` |" in guide, key.name
        assert key.meaning in guide, key.name
    for variable in ENVIRONMENT:
        assert f"`{variable}`" in guide
