import numpy as np
import pytest

from offchain.crypto import native
from offchain.crypto.commitment import CommitmentKey
from offchain.crypto.curve import G1_GENERATOR, G1_INFINITY
from offchain.crypto.field import FieldVector, R
from offchain.crypto.native import FixedBase, library
from tests.offchain.crypto.test_commitment import kinds

reachable = pytest.mark.skipif(library() is None, reason="ckzg exports no blst here")


def multiple(base, index, values):
    """Sum of values[i] times the point index[i]."""
    negative, magnitude = FieldVector.from_ints(values).signed_words()
    return base.sum(np.array(index), negative, magnitude)


@reachable
@pytest.mark.parametrize("capacity", [8, 64, 512])
def test_commit__through_blst__equals_py_arkworks(capacity, randomness):
    fast, portable = CommitmentKey.load(capacity), CommitmentKey.portable(capacity)
    assert fast._base is not None
    assert portable._base is None
    for name, vector in kinds(capacity, randomness).items():
        assert fast.commit(vector) == portable.commit(vector), name
        assert fast.open_at(vector, 5) == portable.open_at(vector, 5), name


@reachable
@pytest.mark.parametrize("window", range(5, 12))
def test_sum__digits_at_their_edges__equals_multiplication(window, monkeypatch):
    monkeypatch.setattr(native, "_MIN_WINDOW", window)
    monkeypatch.setattr(native, "_MAX_WINDOW", window)
    base = FixedBase.build([G1_GENERATOR, -G1_GENERATOR])
    half, whole = 1 << (window - 1), 1 << window
    edges = [0, 1, half - 1, half, half + 1, whole - 1, whole, whole * half, 2**64 - 1, R // 2]
    edges += [sum((half + d) << (window * k) for k in range(5)) for d in (-1, 0, 1)]
    for value in (*edges, *(-edge for edge in edges)):
        expected = CommitmentKey.portable(1).commit(FieldVector.from_ints([value])).points[0]
        assert multiple(base, [0], [value]) == expected, value
        assert multiple(base, [0, 1], [value, value]) == G1_INFINITY
        assert multiple(base, [1], [value]) == -expected


@reachable
def test_sum__of_nothing__is_infinity(small_key):
    assert multiple(small_key._base, [3], [0]) == G1_INFINITY
    assert multiple(small_key._base, np.zeros(0, np.intp), []) == G1_INFINITY


def test_load__blst_out_of_reach__commits_all_the_same(monkeypatch, randomness):
    expected = CommitmentKey.load(16).commit(vector := randomness.field_vector(16))
    monkeypatch.setattr(native, "library", lambda: None)
    key = CommitmentKey.load(16, CommitmentKey.load(16).ceremony)
    assert key._base is None
    assert key.commit(vector) == expected


@reachable
def test_build__blst_adds_wrongly__is_not_used(monkeypatch):
    monkeypatch.setattr(FixedBase, "sum", lambda *_: G1_GENERATOR)
    assert FixedBase.build([G1_GENERATOR, -G1_GENERATOR]) is None


@pytest.mark.parametrize("lacking", ["package", "function"])
def test_library__not_as_expected__is_none(monkeypatch, lacking):
    library.cache_clear()
    if lacking == "package":
        monkeypatch.setattr(native, "find_spec", lambda _: None)
    else:
        monkeypatch.setattr(native, "_SIGNATURES", {"blst_no_such_function": (None, ())})
    try:
        assert library() is None
    finally:
        library.cache_clear()
