"""Versions of orchestrations: how they compare, and which of them a worker takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from durable.errors import ConfigurationError, InvalidRequestError
from durable.model.unicode import is_unicode

_VERSION = re.compile(
    r"v?(?P<release>\d{1,50}(?:\.\d{1,50})*)"
    r"(?:[-_.]?(?P<phase>dev|alpha|a|beta|b|preview|pre|rc|c|post|rev|r)"
    r"[-_.]?(?P<number>\d{0,50}))?",
    re.ASCII | re.IGNORECASE,
)
_PHASES = {
    "dev": -4,
    "a": -3,
    "alpha": -3,
    "b": -2,
    "beta": -2,
    "c": -1,
    "rc": -1,
    "pre": -1,
    "preview": -1,
    "post": 1,
    "rev": 1,
    "r": 1,
}


class VersionMatchStrategy(Enum):
    """Which instances a worker takes, by their version."""

    NONE = 1
    """All."""
    STRICT = 2
    """Those of the worker's own version."""
    CURRENT_OR_OLDER = 3
    """Those of the worker's own version and of earlier ones."""


class VersionFailureStrategy(Enum):
    """What becomes of an instance whose version a worker does not take."""

    REJECT = 1
    """It is left to a worker that takes it."""
    FAIL = 2
    """It fails, and its code is not run."""


@dataclass(frozen=True, slots=True)
class VersioningOptions:
    """How versions decide who runs what. No version and an empty one are the same.

    `version` is the worker's own, `default_version` what instances get that are started without
    one. Raises ConfigurationError for values of another kind.
    """

    version: str | None = None
    default_version: str | None = None
    match_strategy: VersionMatchStrategy = VersionMatchStrategy.NONE
    failure_strategy: VersionFailureStrategy = VersionFailureStrategy.REJECT

    def __post_init__(self) -> None:
        for name in ("version", "default_version"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ConfigurationError(
                    f"{name} is {value!r}: a version is a string, such as '2.0'"
                )
        for name, kind in (
            ("match_strategy", VersionMatchStrategy),
            ("failure_strategy", VersionFailureStrategy),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind):
                members = ", ".join(f"{kind.__name__}.{member.name}" for member in kind)
                raise ConfigurationError(f"{name} is {value!r}: write one of {members}")

    def accepts(self, instance_version: str | None) -> bool:
        """Whether instances of that version are run."""
        order = compare_versions(instance_version, self.version)
        match self.match_strategy:
            case VersionMatchStrategy.NONE:
                return True
            case VersionMatchStrategy.STRICT:
                return order == 0
            case VersionMatchStrategy.CURRENT_OR_OLDER:
                return order <= 0

    def refusal(self, instance_version: str | None) -> str | None:
        """Why instances of that version are not run, as a sentence; None where they are."""
        if self.accepts(instance_version):
            return None
        strict = self.match_strategy is VersionMatchStrategy.STRICT
        how = "does not match" if strict else "is newer than"
        instance = f"version {instance_version!r}" if instance_version else "without a version"
        worker = f"version {self.version!r}" if self.version else "which has no version"
        return f"the orchestration, {instance}, {how} this worker, {worker}"


def check_version(version: str | None) -> str | None:
    """The version of an instance; InvalidRequestError for what is neither text nor None, and for
    text that storage cannot take."""
    if version is not None and not isinstance(version, str):
        raise InvalidRequestError(
            f"a version is a string, such as '2.0', not {type(version).__name__}"
        )
    if version and not is_unicode(version):
        raise InvalidRequestError(f"the version {version!a} is not valid Unicode")
    return version


def compare_versions(left: str | None, right: str | None) -> int:
    """Below, at or above 0 as `left` is earlier than, the same as or later than `right`.

    Numbers divided by dots compare as numbers (1.9 is before 1.10, and 1.0 is 1), with "a", "b",
    "rc" or "post" and a number behind them as Python's own versions. As soon as one has another
    form, both compare as text. None and "" are the same, and before all others.
    """
    if not left or not right:
        return bool(left) - bool(right)
    parsed = _parsed(left), _parsed(right)
    if parsed[0] is not None and parsed[1] is not None:
        return (parsed[0] > parsed[1]) - (parsed[0] < parsed[1])
    return (left > right) - (left < right)


def _parsed(version: str) -> tuple[tuple[int, ...], int, int] | None:
    match = _VERSION.fullmatch(version.strip())
    if match is None:
        return None
    numbers = [int(part) for part in match["release"].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    phase = (match["phase"] or "").lower()
    return tuple(numbers), _PHASES.get(phase, 0), int(match["number"] or 0)
