"""What commands print: lines for people, or one JSON document for programs; errors on stderr."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, TextIO

from durable.codec import encode
from durable.management.json_text import object_of
from durable.model.events import PayloadRef
from durable.model.instance import OrchestrationRuntimeStatus

Colour = Literal["dim", "red", "green", "yellow", "cyan", "bold"]
_CODES: dict[Colour, str] = {
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
    "bold": "1",
}
_TITLE = 9
_COLOUR = re.compile("\x1b\\[[0-9]*m")


class Output:
    """Where a command prints. `width` is the terminal's, None where lines may be of any length."""

    def __init__(
        self,
        stdout: TextIO,
        stderr: TextIO,
        *,
        as_json: bool = False,
        coloured: bool = False,
        width: int | None = None,
    ) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self.as_json = as_json
        self.coloured = coloured
        self.width = width

    @classmethod
    def of_process(
        cls, stdout: TextIO, stderr: TextIO, environ: Mapping[str, str], *, as_json: bool
    ) -> Output:
        """Colours and a width only where `stdout` is a terminal, and no colours with NO_COLOR."""
        terminal = stdout.isatty()
        plain = environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
        return cls(
            stdout,
            stderr,
            as_json=as_json,
            coloured=terminal and not plain,
            width=shutil.get_terminal_size().columns if terminal else None,
        )

    def line(self, text: str = "") -> None:
        """One line for people; at once, so that who follows a run sees it."""
        print(text, file=self._stdout, flush=True)

    def document(self, members: Mapping[str, str]) -> None:
        """The one JSON document, an object of JSON texts by name."""
        self.line(object_of(members))

    def result(self, text: str, members: Mapping[str, object]) -> None:
        """What was done, in the form that was asked for."""
        if self.as_json:
            self.document({name: encode(value) for name, value in members.items()})
        else:
            self.line(text)

    def failed(self, name: str, message: str) -> None:
        """An error: `name` is for programs."""
        if self.as_json:
            print(encode({"error": name, "message": message}), file=self._stderr)
        else:
            lines = "\n".join(map(printable, message.split("\n")))
            print(f"durable: {lines}", file=self._stderr)

    def note(self, text: str) -> None:
        """Something beside the result, for people."""
        if not self.as_json:
            print(text, file=self._stderr, flush=True)

    def paint(self, text: str, colour: Colour) -> str:
        """The text in a colour, where there are colours."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.coloured else text

    def status(self, status: OrchestrationRuntimeStatus, width: int = 0) -> str:
        """A status in its colour, padded to `width`."""
        colour: Colour = "yellow"
        if status is OrchestrationRuntimeStatus.COMPLETED:
            colour = "green"
        elif status.is_terminal or status is OrchestrationRuntimeStatus.STUCK:
            colour = "red"
        return self.paint(f"{status:{width}}", colour)

    def fitted(self, text: str, used: int = 0) -> str:
        """The text, cut to what is left of a line after `used` columns."""
        return text if self.width is None else shortened(text, max(self.width - used, 1))

    def row(self, title: str, text: str, *, whole: bool | None = False) -> None:
        """One of several facts, each on a line; cut to the line unless it is to be `whole`."""
        self.line(f"{title:>{_TITLE}}  {text if whole else self.fitted(text, _TITLE + 2)}")

    def listed(
        self,
        titles: Sequence[str],
        rows: Sequence[Sequence[str]],
        kind: str,
        following: str | None,
    ) -> None:
        """Columns as wide as what they hold, the last cut to the line, and how to get more."""
        if not rows:
            self.note(f"No {kind} matches.")
        else:
            self._table([titles, *rows])
        if following is not None:
            self.note(f"There are more: --continuation-token {following}, or --all")

    def _table(self, lines: Sequence[Sequence[str]]) -> None:
        widths = [max(map(columns_of, column)) for column in zip(*lines, strict=True)][:-1]
        used = sum(widths) + 2 * len(widths)
        for number, (*cells, last) in enumerate(lines):
            padded = [padded_to(cell, width) for cell, width in zip(cells, widths, strict=True)]
            text = "  ".join([*padded, self.fitted(last, used)]).rstrip()
            self.line(self.paint(text, "dim") if number == 0 else text)


def printable(text: str) -> str:
    """The text on one line, without anything that a terminal would act on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def columns_of(text: str) -> int:
    """How many columns of a terminal the text takes; colours take none."""
    text = _COLOUR.sub("", text)
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def padded_to(text: str, width: int) -> str:
    """The text with blanks up to `width` columns."""
    return text + " " * (width - columns_of(text))


def shortened(text: str, width: int) -> str:
    """The text in at most `width` columns; what is cut ends in an ellipsis."""
    if columns_of(text) <= width:
        return text
    kept = text[: max(width - 1, 0)]
    while columns_of(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept}…"


def readable(payload: str) -> str:
    """A payload's JSON text as a person reads it: letters instead of escapes, on one line."""
    return printable(json.dumps(json.loads(payload), ensure_ascii=False))


def moment(time: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def ago(time: datetime, now: datetime) -> str:
    """`5s ago`, `5m 03s ago`; `now` for less than a second."""
    seconds = int((now - time).total_seconds())
    if seconds <= 0:
        return "now"
    return f"{seconds}s ago" if seconds < 60 else f"{duration(timedelta(seconds=seconds))} ago"


def duration(span: timedelta) -> str:
    """`0.120s`, `1m 05s`, `3h 07m`, `2d 04h`: the two largest units."""
    seconds = span.total_seconds()
    if seconds < 0:
        return f"-{duration(-span)}"
    if seconds < 60:
        return f"{int(seconds * 1000) / 1000:.3f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes:02}m"
    days, hours = divmod(hours, 24)
    return f"{days}d {hours:02}h"


def size(payload: PayloadRef) -> str:
    """How long a payload is that is not at hand."""
    return f"({payload.size / 1000:,.0f} kB)"
