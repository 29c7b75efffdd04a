"""Where in user code something was asked for, found when an error is to say it and never before.

User code is what does not belong to this package, nor to the standard library.
"""

from __future__ import annotations

import sys
from pathlib import PurePath
from types import FrameType, TracebackType
from typing import Any

from durable.model.places import Place

_PACKAGE = __name__.partition(".")[0]
_INSTALLED = {"site-packages", "dist-packages"}
UNKNOWN = Place("orchestrator", 0)


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs code of this package."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == _PACKAGE


def asking(code: Any) -> Place:
    """Where the call into this package was made that is running. While `code` rests, the call is
    our own, such as the next attempt of a retry: then where the code waits for it."""
    if not getattr(code, "cr_running", getattr(code, "gi_running", True)):
        return standing(code)
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_ours(frame):
        frame = frame.f_back
    return UNKNOWN if frame is None else _at(frame, frame.f_lineno)


def standing(code: Any) -> Place:
    """Where suspended code waits: the innermost frame of the user's, through whatever that
    awaits or yields from."""
    place = UNKNOWN
    while code is not None:
        frame = (
            getattr(code, "cr_frame", None)
            or getattr(code, "gi_frame", None)
            or getattr(code, "ag_frame", None)
        )
        if frame is not None and _is_users(frame):
            place = _at(frame, frame.f_lineno)
        code = getattr(code, "cr_await", None) or getattr(code, "gi_yieldfrom", None)
    return place


def raising(error: BaseException) -> Place:
    """The last line of user code in an error's traceback: libraries below it are not at fault, or
    all of it is installed."""
    written, installed, traceback = UNKNOWN, UNKNOWN, error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if _is_users(frame):
            installed = _at(frame, traceback.tb_lineno)
            if _INSTALLED.isdisjoint(PurePath(installed.file).parts):
                written = installed
        traceback = traceback.tb_next
    return installed if written is UNKNOWN else written


def frames_of_ours(traceback: TracebackType | None) -> int:
    """How many frames a traceback begins with that are this package's."""
    count = 0
    while traceback is not None and is_ours(traceback.tb_frame):
        count, traceback = count + 1, traceback.tb_next
    return count


def _is_users(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return not is_ours(frame) and name.partition(".")[0] not in sys.stdlib_module_names


def _at(frame: FrameType, line: int) -> Place:
    return Place(frame.f_code.co_filename, line, frame.f_code.co_qualname)
