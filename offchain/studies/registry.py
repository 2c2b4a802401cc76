"""The studies by name. Each is imported only when it is run."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Final

from offchain.learning.errors import UnknownNameError
from offchain.studies.study import Study


@dataclass(frozen=True)
class Entry:
    """Where a study is: a module with a function `study(context) -> Findings`."""

    module: str
    about: str

    def load(self) -> Study:
        """Return the study's function."""
        study: Study = importlib.import_module(self.module).study
        return study


STUDIES: Final = {
    "attacks": Entry(
        "offchain.studies.attacks", "which selection rule keeps which attackers out, and at what z"
    ),
    "heterogeneity": Entry(
        "offchain.studies.heterogeneity",
        "what unevenly spread rows cost, also with selection",
    ),
    "privacy": Entry("offchain.studies.privacy", "what masks hide, and what they do not"),
    "methods": Entry(
        "offchain.studies.methods", "all data sets on the protocol, beside central scikit-learn"
    ),
}


def entry(name: str) -> Entry:
    """Return a study's entry.

    Raises
    ------
    UnknownNameError
        Listing the studies there are.
    """
    if name not in STUDIES:
        raise UnknownNameError("study", name, STUDIES)
    return STUDIES[name]
