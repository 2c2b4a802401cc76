"""A picture of a role: all its state but its keys, data and rules, as bytes.

A role is an object graph of the protocol's own classes. It is pickled with three restrictions:
what the role was built with (task, keys, trainer, randomness, selection rule) is left out and taken
from the freshly built role that the picture is put into; points are written in their encoding; and
only classes of the protocol, and plain containers, are ever built. The bytes are sealed with the
node's key before they are stored, so that nobody else can have made them.
"""

import hashlib
import io
import pickle  # sealed by the caller; see above
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

from py_arkworks_bls12381 import G1Point, G2Point

from offchain.crypto.randomness import Randomness
from offchain.protocol.device import DeviceKeys
from offchain.protocol.eip712 import SigningKey
from offchain.protocol.role import Role, Task
from offchain.store.errors import StateCorrupt

_SELF: Final = "role"
_OUTSIDE: Final = (Task, SigningKey, DeviceKeys, Randomness)
_OWN: Final = ("offchain.protocol.", "offchain.crypto.")
_PLAIN: Final = frozenset(
    {
        ("builtins", "getattr"),  # bound methods of the graph's own objects
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("builtins", "bytearray"),
        ("collections", "Counter"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("copyreg", "_reconstructor"),
        ("builtins", "object"),
        ("builtins", "int"),
        ("msgspec._utils", "rebuild"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy.core.numeric", "_frombuffer"),
        (__name__, "_g1"),
        (__name__, "_g2"),
    }
)


def code_digest() -> bytes:
    """Digest of the code that a replay depends on: protocol and cryptography."""
    digest = hashlib.blake2b(digest_size=16)
    for package in ("offchain.crypto", "offchain.protocol"):
        for path in sorted(files(package).iterdir(), key=lambda p: p.name):
            if path.name.endswith(".py"):
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()


def outside(role: Role) -> dict[str, object]:
    """What a role was built with, by the name of its attribute."""
    return {
        name: value
        for name, value in vars(role).items()
        if isinstance(value, _OUTSIDE) or _is_foreign(value)
    }


def _is_foreign(value: object) -> bool:
    module = type(value).__module__ + "."
    return not module.startswith((*_OWN, "builtins.", "collections."))


def take(role: Role, extra: object = None) -> bytes:
    """Take a picture of a role, and of something more made of the same classes."""
    out = io.BytesIO()
    left_out = outside(role)
    state = {name: value for name, value in vars(role).items() if name not in left_out}
    _Pickler(out, role).dump((state, extra))
    return out.getvalue()


def put(picture: bytes, role: Role) -> Any:
    """Bring a freshly built role to the state of a picture.

    Returns
    -------
    Any
        What else the picture holds.

    Raises
    ------
    StateCorrupt
        When the picture does not fit the code.
    """
    try:
        state, extra = _Unpickler(io.BytesIO(picture), role).load()
    except (pickle.UnpicklingError, AttributeError, ImportError, TypeError, ValueError) as error:
        raise StateCorrupt(f"journal: its picture of the role does not fit: {error!r}") from error
    vars(role).update(state)
    return extra


class _Pickler(pickle.Pickler):
    def __init__(self, out: io.BytesIO, role: Role) -> None:
        super().__init__(out, protocol=5)
        self._names = {id(value): name for name, value in outside(role).items()}
        self._names[id(role)] = _SELF
        self._names[id(role.task.key)] = "task key"

    def persistent_id(self, obj: object) -> str | None:
        return self._names.get(id(obj))

    def reducer_override(self, obj: object) -> Any:
        match obj:
            case G1Point():
                return _g1, (obj.to_compressed_bytes(),)
            case G2Point():
                return _g2, (obj.to_compressed_bytes(),)
            case Randomness():
                # A stream kept in a role's state only ever gives children, which its seed fixes.
                slots: Any = object.__getstate__(obj)
                return Randomness, (slots[1]["_seed"],)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, picture: io.BytesIO, role: Role) -> None:
        super().__init__(picture)
        self._objects = {**outside(role), _SELF: role, "task key": role.task.key}

    def persistent_load(self, name: str) -> object:
        if name not in self._objects:
            raise pickle.UnpicklingError(f"the role has no {name!r}")
        return self._objects[name]

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if module.startswith(_OWN) or (module, name) in _PLAIN:
            found: Callable[..., Any] = super().find_class(module, name)
            return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a role's state")


def _g1(data: bytes) -> G1Point:
    return G1Point.from_compressed_bytes_unchecked(data)


def _g2(data: bytes) -> G2Point:
    return G2Point.from_compressed_bytes_unchecked(data)
