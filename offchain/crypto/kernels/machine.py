"""How kernels are compiled, and the few machine instructions that Python has no words for.

A kernel is a function over arrays of 64-bit words. Numba compiles it when it is first called and
keeps the result on disk. It runs outside the interpreter lock, checks no index and no carry: what
calls it answers for shapes and bounds. NUMBA_BOUNDSCHECK=1 makes it check indices, for tests.

Unsigned words only: mixed with a signed one, numba would turn a word into a floating-point number.
"""

import atexit
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])

ZERO: Final = np.uint64(0)
WORD_BITS: Final = 64

_word, _wide = ir.IntType(64), ir.IntType(128)
_nothing = ir.VoidType()


def _cache_folder() -> Path:
    """Where compiled kernels are kept: a folder for each version of all of them.

    Numba by itself looks at the file that a kernel stands in only, not at what it calls. Where the
    software lies out of reach of who runs it, what `make setup` compiled is copied to where it can
    be added to.
    """
    here = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
    name = f"kernels-{sha256(sources).hexdigest()[:16]}"
    own = here / "__pycache__" / name
    if _can_write(own):
        return own
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "verifog" / name
    if not _can_write(folder):
        folder = Path(mkdtemp(prefix="verifog-kernels-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if own.exists() and not any(folder.iterdir()):
        shutil.copytree(own, folder, dirs_exist_ok=True)
        folder.chmod(0o700)  # the copy brought the mode along
    return folder


def _can_write(folder: Path) -> bool:
    """Return whether files can be added to a folder; it is made if it can be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


if not numba.config.CACHE_DIR:  # unless NUMBA_CACHE_DIR says where
    numba.config.CACHE_DIR = str(_cache_folder())


def kernel(function: F) -> F:
    """Compile a function over arrays and words."""
    compiled: F = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


def _halves(context: Any, builder: Any, kind: Any, wide: Any) -> Any:
    low = builder.trunc(wide, _word)
    high = builder.trunc(builder.lshr(wide, ir.Constant(_wide, WORD_BITS)), _word)
    return context.make_tuple(builder, kind, (low, high))


_TWO = types.UniTuple(types.uint64, 2)


@intrinsic
def multiply_add(typing: Any, a: Any, x: Any, y: Any, c: Any) -> Any:
    """A + x y + c as (low word, high word); never more than two words."""
    del typing, a, x, y, c

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, x, y, c = (builder.zext(value, _wide) for value in arguments)
        wide = builder.add(builder.add(builder.mul(x, y), a), c)
        return _halves(context, builder, signature.return_type, wide)

    return _TWO(*[types.uint64] * 4), generate


@intrinsic
def add_carry(typing: Any, x: Any, y: Any, carry: Any) -> Any:
    """X + y + carry as (word, carry)."""
    del typing, x, y, carry

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, y, carry = (builder.zext(value, _wide) for value in arguments)
        wide = builder.add(builder.add(x, y), carry)
        return _halves(context, builder, signature.return_type, wide)

    return _TWO(*[types.uint64] * 3), generate


@intrinsic
def subtract_borrow(typing: Any, x: Any, y: Any, borrow: Any) -> Any:
    """X - y - borrow as (word, borrow), the borrow 0 or 1."""
    del typing, x, y, borrow

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, y, borrow = (builder.zext(value, _wide) for value in arguments)
        wide = builder.sub(builder.sub(x, y), borrow)
        low = builder.trunc(wide, _word)
        sign = builder.lshr(wide, ir.Constant(_wide, 127))
        return context.make_tuple(builder, signature.return_type, (low, builder.trunc(sign, _word)))

    return _TWO(*[types.uint64] * 3), generate


@intrinsic
def swap_bytes(typing: Any, x: Any) -> Any:
    """The bytes of a word in the other order."""
    del typing, x

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.bswap(arguments[0])

    return types.uint64(types.uint64), generate


def _call(builder: Any, arguments: Any, result: Any = _nothing) -> Any:
    kind = ir.FunctionType(result, [_word] * (len(arguments) - 1))
    return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])


@intrinsic
def call_two(typing: Any, function: Any, result: Any, x: Any) -> Any:
    """Call a C function at an address: void f(result, x), both pointers."""
    del typing, function, result, x

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        _call(builder, arguments)
        return context.get_dummy_value()

    return types.void(*[types.uint64] * 3), generate


@intrinsic
def call_three(typing: Any, function: Any, result: Any, x: Any, y: Any) -> Any:
    """Call a C function at an address: void f(result, x, y), all pointers."""
    del typing, function, result, x, y

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        _call(builder, arguments)
        return context.get_dummy_value()

    return types.void(*[types.uint64] * 4), generate


@intrinsic
def ask_one(typing: Any, function: Any, x: Any) -> Any:
    """Call a C function at an address: int f(x), a pointer."""
    del typing, function, x

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return _call(builder, arguments, ir.IntType(32))

    return types.int32(*[types.uint64] * 2), generate


@intrinsic
def ask_two(typing: Any, function: Any, x: Any, y: Any) -> Any:
    """Call a C function at an address: int f(x, y), both pointers."""
    del typing, function, x, y

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return _call(builder, arguments, ir.IntType(32))

    return types.int32(*[types.uint64] * 3), generate


@intrinsic
def prefetch(typing: Any, address: Any) -> Any:
    """Bring the line of memory at an address near: it will be read soon."""
    del typing, address

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        pointer, small = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(_nothing, [pointer, small, small, small])
        function = builder.module.declare_intrinsic("llvm.prefetch", (pointer,), kind)
        # To read, with high locality, as data.
        hints = [ir.Constant(small, hint) for hint in (0, 3, 1)]
        builder.call(function, [builder.inttoptr(arguments[0], pointer), *hints])
        return context.get_dummy_value()

    return types.void(types.uint64), generate
