"""The ratios as a picture: one bar for each, on a logarithmic scale, with its limit."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from bench.report import Line

ROW, TOP, TEXT, PLOT, RIGHT = 24, 56, 470, 420, 90
LOWEST, HIGHEST = 0.01, 100.0
COLOURS = {"met": "#2b8a3e", "not met": "#c92a2a", "": "#748ffc"}


def plot(lines: Sequence[Line]) -> str:
    """An SVG of the lines that compare with another; left of the middle we take less, or where
    more is better, do more."""
    compared = [line for line in lines if line.bar.other and line.ratio]
    height = TOP + ROW * len(compared) + 16
    width = TEXT + PLOT + RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(12, 20, "Ours against others: time taken, or the other's rate to ours", size=14),
        _text(12, 38, "shorter is better; | is the bar; green met, red not met, blue no bar"),
    ]
    for exponent in range(round(log10(LOWEST)), round(log10(HIGHEST)) + 1):
        at = _place(10.0**exponent)
        colour = "#868e96" if exponent == 0 else "#dee2e6"
        parts.append(_line(at, TOP - 8, at, height - 12, colour))
        parts.append(_text(at, TOP - 12, f"{10.0**exponent:g} ×", anchor="middle"))
    for number, line in enumerate(compared):
        parts += _row(line, TOP + ROW * number)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(line: Line, y: int) -> list[str]:
    assert line.ratio is not None
    higher = line.bar.better == "higher"
    ratio = 1 / line.ratio if higher else line.ratio
    workload, what, _, against, *_ = line.cells
    begin, end = _place(LOWEST), _place(ratio)
    colour = COLOURS.get(line.verdict, COLOURS[""])
    parts = [
        _text(TEXT - 10, y + 16, f"{workload} {what} / {against}", anchor="end"),
        f'<rect x="{begin:.1f}" y="{y + 4}" width="{max(1.0, end - begin):.1f}" height="15" '
        f'fill="{colour}"/>',
        _text(end + 6, y + 16, f"{ratio:.2f}"),
    ]
    if line.bar.limit is not None:
        at = _place(1 / line.bar.limit if higher else line.bar.limit)
        parts.append(_line(at, y + 1, at, y + 22, "black", 2))
    return parts


def _place(ratio: float) -> float:
    clipped = min(max(ratio, LOWEST), HIGHEST)
    return TEXT + PLOT * (log10(clipped) - log10(LOWEST)) / (log10(HIGHEST) - log10(LOWEST))


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">'
        f"{escape(text)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )
