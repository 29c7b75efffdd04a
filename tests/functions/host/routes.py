"""Which function a request goes to, as the Functions host decides it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from tests.functions.host.worker import IndexedFunction

_PARAMETER = re.compile(r"\{(?P<all>\*)?(?P<name>\w+)(?P<optional>\?)?\}")


@dataclass(frozen=True, slots=True)
class Match:
    """A function and the values of its route's parameters."""

    function: IndexedFunction
    params: dict[str, str]


def find(functions: Iterable[IndexedFunction], prefix: str, method: str, path: str) -> Match | None:
    """The first match in alphabetical order of names, however specific its route is."""
    for function in sorted(functions, key=lambda each: each.name.lower()):
        trigger = function.trigger
        if trigger["type"] != "httpTrigger" or method not in _methods(trigger):
            continue
        template = f"{prefix}/{trigger.get('route') or function.name}".strip("/")
        match = _pattern(template).fullmatch(path.strip("/"))
        if match:
            given = {name: value for name, value in match.groupdict().items() if value}
            return Match(function, {name: _decoded(value) for name, value in given.items()})
    return None


def _methods(trigger: dict[str, object]) -> list[str]:
    given = trigger.get("methods")
    return [str(each) for each in given] if isinstance(given, list) else ["GET", "POST"]


def _pattern(template: str) -> re.Pattern[str]:
    """Parameters `{b}`, `{b?}` and `{*rest}` that are whole segments."""
    pattern = ""
    for number, segment in enumerate(template.split("/")):
        slash = "/" if number else ""
        parameter = _PARAMETER.fullmatch(segment)
        if parameter is None:
            pattern += slash + re.escape(segment)
        elif parameter["all"]:
            pattern += f"(?:{slash}(?P<{parameter['name']}>.*))?"
        elif parameter["optional"]:
            pattern += f"(?:{slash}(?P<{parameter['name']}>[^/]+))?"
        else:
            pattern += f"{slash}(?P<{parameter['name']}>[^/]+)"
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _decoded(value: str) -> str:
    """Percent-decoded, `%2F` apart."""
    return "%2F".join(unquote(part) for part in re.split("%2F", value, flags=re.IGNORECASE))
