"""Selection rules by name: which masked updates a fog keeps (section 5.4).

Rules are plug-ins: implement `SelectionRule` and `register` it. Those without memory are in
`selection_distance`; `selection_trend` and `selection_evidence` learn over rounds.
"""

from __future__ import annotations

from typing import Final

from offchain.learning.errors import OptionError, UnknownNameError
from offchain.learning.selection_distance import (
    KeepAll,
    MeanDeviation,
    MedianDeviation,
    MultiKrum,
    TrimmedDistance,
)
from offchain.learning.selection_evidence import Evidence
from offchain.learning.selection_trend import Trend
from offchain.learning.selection_types import (
    Criterion,
    History,
    KeepBest,
    KeepShare,
    Memory,
    PastRound,
    Rejection,
    Selection,
    SelectionRule,
    Within,
    choose,
)

__all__ = [
    "DEFAULT_RULE",
    "Criterion",
    "Evidence",
    "History",
    "KeepAll",
    "KeepBest",
    "KeepShare",
    "MeanDeviation",
    "MedianDeviation",
    "Memory",
    "MultiKrum",
    "PastRound",
    "Rejection",
    "Selection",
    "SelectionRule",
    "Trend",
    "TrimmedDistance",
    "Within",
    "choose",
    "register",
    "rule_names",
    "selection_rule",
]

DEFAULT_RULE: Final = "evidence"
"""The rule that the study of attacks supports (docs/poisoning.md)."""

_RULES: Final[dict[str, SelectionRule]] = {}


def register(rule: SelectionRule) -> None:
    """Add a rule to the registry.

    Raises
    ------
    OptionError
        If the name is taken.
    """
    if rule.name in _RULES:
        raise OptionError("selection rule", rule.name, "is already registered")
    _RULES[rule.name] = rule


def selection_rule(name: str) -> SelectionRule:
    """Return a registered rule.

    Raises
    ------
    UnknownNameError
        Listing the rules there are.
    """
    if name not in _RULES:
        raise UnknownNameError("selection rule", name, _RULES)
    return _RULES[name]


def rule_names() -> tuple[str, ...]:
    """Return the names of all registered rules, sorted."""
    return tuple(sorted(_RULES))


for _rule in (
    KeepAll(),
    MeanDeviation(),
    MedianDeviation(),
    TrimmedDistance(),
    MultiKrum(),
    Trend(),
    Evidence(),
):
    register(_rule)
