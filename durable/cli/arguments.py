"""Values of options, checked while the arguments are read: nothing is opened before all are
right."""

from __future__ import annotations

import argparse
import base64
import binascii
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from durable.client import Filters
from durable.codec import decode
from durable.errors import InvalidRequestError, PayloadError
from durable.management.parameters import Query
from durable.model.entities import EntityId
from durable.model.instance import OrchestrationRuntimeStatus, check_instance_id
from durable.model.unicode import is_unicode

T = TypeVar("T")

LONGEST_NAME = 1000
LONGEST_REASON = 8000
LONGEST_TAGS = 4000
_LONGEST_FILE = 2**30
_HUB = re.compile(r"[A-Za-z][A-Za-z0-9]{2,39}")
_SETTING = re.compile(r"[A-Za-z_][\w.:-]{0,200}")
_TAG = re.compile(r"([^=]+)=(.*)", re.DOTALL)


def checked(check: Callable[[str], T]) -> Callable[[str], T]:
    """A `type` for argparse that refuses with the check's own words."""

    def convert(text: str) -> T:
        if not is_unicode(text):
            raise argparse.ArgumentTypeError("it is not valid Unicode")
        try:
            return check(text)
        except InvalidRequestError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def limited(longest: int) -> Callable[[str], str]:
    """Text of 1 to `longest` characters."""

    def check(text: str) -> str:
        if not text.strip():
            raise InvalidRequestError("it must not be empty")
        if len(text) > longest:
            raise InvalidRequestError(f"it has {len(text)} characters; at most {longest} are taken")
        return text

    return checked(check)


name = limited(LONGEST_NAME)
version = limited(200)
instance_id = checked(check_instance_id)
update_id = limited(200)


entity_id = checked(EntityId.parse)


@checked
def reason(text: str) -> str:
    """A reason, maybe none."""
    if len(text) > LONGEST_REASON:
        raise InvalidRequestError(f"it has {len(text)} characters; at most {LONGEST_REASON}")
    return text


@checked
def prefix(text: str) -> str:
    """The beginning of an instance id."""
    return Query({"it": _filled(text)}).prefix("it")


@checked
def moment(text: str) -> datetime:
    """A time in ISO 8601; UTC unless it has an offset."""
    found = Query({"it": _filled(text)}).moment("it")
    assert found is not None
    return found


@checked
def statuses(text: str) -> list[OrchestrationRuntimeStatus]:
    """Statuses with commas between them."""
    return Query({"it": _filled(text)}).statuses("it")


def filters_of(options: argparse.Namespace) -> Filters:
    """What the options of `get-instances` and `purge-history` say."""
    return {
        "created_time_from": options.created_after,
        "created_time_to": options.created_before,
        "runtime_status": statuses_of(options),
        "name": options.name,
        "instance_id_prefix": options.instance_id_prefix,
        "tags": dict(options.tag or ()),
    }


def statuses_of(options: argparse.Namespace) -> list[OrchestrationRuntimeStatus]:
    """All that `--runtime-status` named; none where it was left out."""
    return [status for several in options.runtime_status or () for status in several]


@checked
def flag(text: str) -> bool:
    """`true` or `false`."""
    return Query({"it": _filled(text)}).flag("it", True)


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number."""

    def check(text: str) -> int:
        number = Query({"it": _filled(text)}).whole("it", low, high)
        assert number is not None
        return number

    return checked(check)


@checked
def hub(text: str) -> str:
    """A hub's name."""
    if not _HUB.fullmatch(text):
        raise InvalidRequestError(
            f"{text[:60]!r} is no hub's name: 3 to 40 letters (A to Z) and digits, the first a "
            "letter"
        )
    return text


@checked
def setting(text: str) -> str:
    """A setting's name. What is not one is not repeated: it may be a connection string."""
    if not _SETTING.fullmatch(text):
        raise InvalidRequestError(
            "it takes the name of a setting, such as AzureWebJobsStorage, and not what the "
            "setting holds"
        )
    return text


@checked
def tag(text: str) -> tuple[str, str]:
    """`NAME=VALUE`."""
    found = _TAG.fullmatch(text)
    if found is None or len(text) > LONGEST_NAME:
        raise InvalidRequestError(f"{text[:40]!r} is no tag: write NAME=VALUE")
    return found[1], found[2]


@checked
def token(text: str) -> str:
    """What an earlier page gave for the next one; see `token_text`."""
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError("it is not one that this command gave") from error


def token_text(inner: str) -> str:
    """The hub's token in letters that no shell changes."""
    return base64.urlsafe_b64encode(inner.encode()).decode()


@checked
def payload(text: str) -> Any:
    """JSON: inline, from a file (`@PATH`) or from stdin (`-`)."""
    if text == "-":
        source, content = "stdin", _read(sys.stdin.buffer)
    elif text.startswith("@"):
        source, path = text[1:], Path(text[1:])
        try:
            with path.open("rb") as file:
                content = _read(file)
        except OSError as error:
            raise InvalidRequestError(
                f"the file {source!r} cannot be read: {error.strerror or error}"
            ) from error
    else:
        source, content = "it", text
    if not content.strip():
        raise InvalidRequestError(f"{source} is empty; leave the option out for no value")
    try:
        return decode(content)
    except PayloadError as error:
        why = str(error).removeprefix("$: ")
        hint = " (a text has quotes of its own: '\"text\"')" if source == "it" else ""
        raise InvalidRequestError(f"{source} {why}{hint}") from error


def port(text: str) -> int:
    """A port to listen at; 0 is any that is free."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write 0 to 65535")
    return int(text)


def price(text: str) -> float:
    """Dollars of 10,000 operations."""
    return _number(text, 1_000, "write the dollars of 10,000 operations")


def seconds(text: str) -> float:
    """A span of time up to a day, in seconds."""
    return _number(text, 86_400, "write a number of seconds, up to a day")


def _number(text: str, most: float, must: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: {must}")
    return number


def _read(file: BinaryIO) -> str:
    content = file.read(_LONGEST_FILE + 1)
    if len(content) > _LONGEST_FILE:
        raise InvalidRequestError(f"it is over {_LONGEST_FILE:,} bytes long")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"it is not UTF-8 (byte {error.start})") from error


def _filled(text: str) -> str:
    if not text.strip():
        raise InvalidRequestError("it must not be empty")
    return text
