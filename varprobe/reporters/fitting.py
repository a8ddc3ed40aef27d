"""Text that has to fit in a picture: names come from configs and have any length."""

from __future__ import annotations

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

_CUT = "..."


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a line of text is, in inches."""
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def fitted(text: str, room: float, *, size: float, bold: bool = False, tail: str = "") -> str:
    """The text and its tail, the text cut where both are wider than there is room for.

    Arguments:
        room: in inches.
        size: of the font, in points.
    """

    def fits(shown: str) -> bool:
        return width_of(shown, size, bold=bold) <= room

    if fits(text + tail):
        return text + tail
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(text[:middle].rstrip() + _CUT + tail) else (low, middle)
    return text[:low].rstrip() + _CUT + tail
