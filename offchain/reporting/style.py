"""How the plots look: one palette for people who see colours differently, light and dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Theme:
    """Colours of a figure's surroundings."""

    background: str
    ink: str
    muted: str
    grid: str
    line: str


# Okabe and Ito (2008), with greys: told apart by people with any common colour vision.
BLUE: Final = "#0072b2"
SKY: Final = "#56b4e9"
GREEN: Final = "#009e73"
YELLOW: Final = "#f0e442"
ORANGE: Final = "#e69f00"
VERMILION: Final = "#d55e00"
PURPLE: Final = "#cc79a7"
GREY: Final = "#8c959f"
PALE: Final = "#c9d1d9"
CYCLE: Final = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, GREY)

LIGHT: Final = Theme(
    background="#ffffff", ink="#1b1f24", muted="#57606a", grid="#d8dee4", line=BLUE
)
DARK: Final = Theme(background="#161b22", ink="#e6edf3", muted="#9da7b3", grid="#30363d", line=SKY)
