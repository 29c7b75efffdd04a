"""A run as an SVG of three panels: messages and clients that wait, load, and what has ended."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from bench.scale.limits import ACCOUNT, Layout, Site

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 760, 120, 90, 44, 52
_COLOURS = ("#1f6fb4", "#c8541c", "#2c8a57", "#8a4fa3", "#b58a00", "#666666")

Line = tuple[str, Sequence[float]]


def draw(result: dict[str, Any], layout: Layout) -> str:
    """`result` as `Result.to_json` gives it. Load is in percent of each limit."""
    series = result["series"]
    waiting: list[Line] = [
        (label, series[name])
        for name, label in (
            ("backlog", "at clients"),
            ("depth", "control queues"),
            ("work", "work queue"),
            ("inbox", "the entity's inbox"),
        )
        if max(series[name])
    ]
    loads: list[Line] = [
        (site.name.lower(), [100 * v / layout.limit(site) for v in values])
        for site in Site
        if max(values := series[site.name.lower()]) > 0.02 * layout.limit(site)
    ]
    loads.append(("account", [100 * v / ACCOUNT for v in series["requests"]]))
    ended: list[Line] = [("arrived", series["arrived"]), ("ended", series["finished"])]
    panels = (("waiting", waiting), ("load, % of the limit", loads), ("in all", ended))
    height = _TOP + len(panels) * (_HEIGHT + _GAP)
    seconds = series["seconds"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="20" font-size="14">{escape(result["title"])}</text>',
    ]
    for number, (title, lines) in enumerate(panels):
        parts += _panel(title, lines, seconds, _TOP + number * (_HEIGHT + _GAP))
    return "\n".join([*parts, "</svg>", ""])


def _panel(title: str, lines: list[Line], seconds: Sequence[float], top: int) -> list[str]:
    most = max((max(values) for _, values in lines), default=0) or 1
    right, end = _WIDTH - 14, max(seconds[-1], 1)
    bottom = top + 14 + _HEIGHT
    parts = [
        f'<text x="12" y="{top}" font-weight="bold">{escape(title)}</text>',
        f'<path d="M{_LEFT} {top + 14}V{bottom}H{right}" fill="none" stroke="#999"/>',
        f'<text x="{_LEFT - 6}" y="{top + 20}" text-anchor="end">{most:,.0f}</text>',
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{right}" y="{bottom + 14}" text-anchor="end">{end:,.0f} s</text>',
    ]
    for number, (label, values) in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(
            f"{_LEFT + (right - _LEFT) * second / end:.0f},{bottom - _HEIGHT * value / most:.1f}"
            for second, value in zip(seconds, values, strict=True)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        x = _LEFT + 110 + number * 118
        parts.append(f'<text x="{x}" y="{top}" fill="{colour}">{escape(label)}</text>')
    return parts
