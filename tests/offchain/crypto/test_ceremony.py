import hashlib

import pytest
from py_arkworks_bls12381 import G1Point

from offchain.crypto import ceremony, curve
from offchain.crypto.ceremony import ceremony_file, default_ceremony, load_ceremony
from offchain.crypto.errors import CeremonyError


def cached_file(folder):
    return next(folder.glob("ceremony-*.bin"))


def test_powers__neighbours__are_related_by_tau():
    loaded = default_ceremony()
    assert len(loaded.g1) == 4096
    assert loaded.g1[0] == curve.G1_GENERATOR
    one, tau = loaded.g2
    assert one == curve.G2_GENERATOR
    for j in (0, 1, 63, 64, 4094):
        assert curve.pairing_product_is_one([(loaded.g1[j], tau), (-loaded.g1[j + 1], one)])
    assert not curve.pairing_product_is_one([(loaded.g1[1], tau), (-loaded.g1[3], one)])


def test_load__second_time__uses_the_cache_and_agrees(tmp_path, monkeypatch):
    first = load_ceremony(cache=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [cached_file(tmp_path).name]

    class NoDecompression:
        from_xy_bytes_unchecked_be = G1Point.from_xy_bytes_unchecked_be

    monkeypatch.setattr(ceremony, "G1Point", NoDecompression)
    assert load_ceremony(cache=tmp_path).g1 == first.g1


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: b"\1" + c[1:], lambda c: b""])
def test_load__cache_damaged__ignores_and_repairs_it(tmp_path, damage):
    load_ceremony(cache=tmp_path)
    path = cached_file(tmp_path)
    good = path.read_bytes()
    path.write_bytes(damage(good))
    assert load_ceremony(cache=tmp_path).g1 == default_ceremony().g1
    assert path.read_bytes() == good


def test_load__cache_cannot_be_written__works_without(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    assert load_ceremony(cache=blocked / "folder").g1 == default_ceremony().g1
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_load__file_altered__raises_with_both_hashes(tmp_path):
    altered = tmp_path / "setup.txt"
    altered.write_bytes(ceremony_file().read_bytes() + b"\n")
    found = hashlib.sha256(altered.read_bytes()).hexdigest()
    with pytest.raises(CeremonyError, match=f"{found}.*{ceremony.FILE_SHA256}"):
        load_ceremony(altered, tmp_path)


def test_load__file_missing__raises(tmp_path):
    with pytest.raises(CeremonyError, match="cannot read"):
        load_ceremony(tmp_path / "nothing", tmp_path)


def test_cache_directory__xdg_variable__is_followed(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/where")
    assert ceremony.cache_directory().as_posix() == "/some/where/verifog"
