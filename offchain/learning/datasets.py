"""The data sets by name; no download, all read from files of installed packages.

Sources, licences and constructions are in docs/data.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from offchain.learning import real_sets, tennessee_eastman
from offchain.learning.errors import OptionError, UnknownNameError
from offchain.learning.tasks import Dataset

DEFAULT_DATASET: Final = "fault7"

Loader: TypeAlias = Callable[[], Dataset]
_LOADERS: Final[dict[str, Loader]] = {}


def register(name: str, loader: Loader) -> None:
    """Add a data set to the registry.

    Raises
    ------
    OptionError
        If the name is taken.
    """
    if name in _LOADERS:
        raise OptionError("dataset", name, "is already registered")
    _LOADERS[name] = loader


def dataset_names() -> tuple[str, ...]:
    """Return the names that `load` knows, sorted."""
    return tuple(sorted(_LOADERS))


def load(name: str = DEFAULT_DATASET) -> Dataset:
    """Return a data set by name.

    Raises
    ------
    UnknownNameError
        Listing the names there are.
    DataFileError
        If its package is not installed or a file is not as it should be.
    """
    if name not in _LOADERS:
        raise UnknownNameError("dataset", name, _LOADERS)
    return _LOADERS[name]()


register("fault7", tennessee_eastman.fault7)
register("fault2", tennessee_eastman.fault2)
register("fault18", tennessee_eastman.fault18)
register("softsensor", tennessee_eastman.softsensor)
register("petrobras", real_sets.petrobras)
register("shuttle", real_sets.shuttle)
