"""Where compiled kernels are kept, and that no kernel reaches out of its arrays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from offchain.crypto.kernels import machine
from offchain.crypto.warm import warm_up

HERE = Path(__file__).parent
PACKAGE = Path(machine.__file__).parent


@pytest.fixture
def out_of_reach(monkeypatch):
    """Folders that nobody may write to."""
    closed = [PACKAGE]
    access = os.access

    def may(path, mode):
        return access(path, mode) and not any(Path(path).is_relative_to(c) for c in closed)

    monkeypatch.setattr(os, "access", may)
    return closed


def test_cache_folder__software_can_be_written_to__beside_it():
    folder = machine._cache_folder()
    assert folder.parent == PACKAGE / "__pycache__"
    assert folder.exists()


def test_cache_folder__software_out_of_reach__in_the_users_with_what_was_compiled(
    out_of_reach, tmp_path, monkeypatch
):
    warm_up()  # so that there is something
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = machine._cache_folder()
    assert folder.parent == tmp_path / "verifog"
    assert any(folder.rglob("*.nbi"))


def test_cache_folder__no_home_either__in_a_folder_of_its_own(out_of_reach, tmp_path, monkeypatch):
    out_of_reach.append(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, second = machine._cache_folder(), machine._cache_folder()
    assert first != second
    assert not first.is_relative_to(tmp_path)
    assert first.stat().st_mode & 0o077 == 0


def test_kernels__indices_checked__pass_the_same_tests(tmp_path):
    """What kernels leave to their callers holds: no index goes out of its array."""
    files = [
        str(HERE / name)
        for name in (
            "test_curve.py",
            "test_field.py",
            "test_hashing.py",
            "test_native.py",
            "test_noise.py",
            "test_variable_base.py",
        )
    ]
    checking = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:ape_test", *files],
        env=os.environ | checking,
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parents[2],
    )
    assert done.returncode == 0, done.stdout[-3000:]
