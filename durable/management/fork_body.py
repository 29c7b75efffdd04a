"""The body of a request to fork: which step, and what is to be another than the source's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from durable.client import UNCHANGED
from durable.errors import InvalidRequestError
from durable.model.unicode import is_unicode

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["step"],
    "additionalProperties": False,
    "properties": {
        "step": {"type": "integer", "minimum": 0},
        "input": {},
        "newInstanceId": {"type": "string"},
        "version": {"type": "string"},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}

_LONGEST_VERSION = 200


@dataclass(frozen=True, slots=True)
class ForkBody:
    """What `client.fork` is called with."""

    step: int
    input_: object
    new_instance_id: str | None
    version: str | None
    tags: Mapping[str, str] | None


def fork_body(body: object) -> ForkBody:
    """The body, read strictly: what is left out is as the source has it. Raises
    InvalidRequestError."""
    known = SCHEMA["properties"]
    if not isinstance(body, dict) or "step" not in body:
        raise InvalidRequestError(f"the body is an object of step and, if need be, {_OTHERS}")
    for name in body:
        if name not in known:
            raise InvalidRequestError(
                f"there is no {name[:40]!r} in the body of a fork; there are {', '.join(known)}"
            )
    step, tags = body["step"], body.get("tags")
    if not isinstance(step, int) or isinstance(step, bool):
        raise InvalidRequestError("step is the number of a task, 0 or more")
    if tags is not None and not isinstance(tags, dict):
        raise InvalidRequestError("tags is an object of texts")
    return ForkBody(
        step, body.get("input", UNCHANGED), _text(body, "newInstanceId"), _version(body), tags
    )


def _version(body: Mapping[str, Any]) -> str | None:
    version = _text(body, "version")
    if version is not None and len(version) > _LONGEST_VERSION:
        raise InvalidRequestError(f"version has at most {_LONGEST_VERSION} characters")
    return version


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not is_unicode(value):
        raise InvalidRequestError(f"{name} is a text")
    return value


_OTHERS = ", ".join(name for name in SCHEMA["properties"] if name != "step")
