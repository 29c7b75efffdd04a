"""Log lines for a person: time, level, message; in colour on a terminal."""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

from durable.runtime.logs import ActivityLogFilter

LEVELS = ("debug", "info", "warning", "error")
_COLOURS = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.CRITICAL: "\x1b[31m"}
_DIM, _RESET = "\x1b[2m", "\x1b[0m"
_CHATTY = ("azure", "aiohttp", "asyncio", "urllib3", "msal")


class LineFormatter(logging.Formatter):
    """`12:00:00.000 WARNING message`; the level is left out for INFO, and "durable" loggers need
    no name."""

    def __init__(self, *, coloured: bool) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """One record; a traceback follows on lines of its own."""
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        named = "" if record.name.split(".")[0] in ("durable", "root") else f"{record.name}: "
        time = f"{self.formatTime(record, '%H:%M:%S')}.{int(record.msecs):03}"
        text = f"{level}{named}{record.getMessage()}"
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        if not self._coloured:
            return f"{time} {text}"
        colour = _COLOURS.get(record.levelno, "")
        return f"{_DIM}{time}{_RESET} {colour}{text}{_RESET if colour else ''}"


def set_up_logging(level: str, stream: TextIO | None = None) -> None:
    """Send all log records to `stream` (stderr) from `level` on; libraries only from WARNING."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    coloured = stream.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(LineFormatter(coloured=coloured))
    # also for handlers of the app, which come after this one
    handler.addFilter(ActivityLogFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
