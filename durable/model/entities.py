"""Entities by name and key, and the lock that an orchestration may have on one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durable.errors import InvalidInstanceIdError
from durable.model.instance import Parent, check_characters

MAX_NAME = 100
MAX_KEY = 200


@dataclass(frozen=True, slots=True)
class EntityId:
    """Which entity: `name` in lower case, and `key`; as text `@name@key`.

    Raises InvalidInstanceIdError for a name that is empty, over 100 characters long or holds
    an `@`, a key over 200 characters, and characters that instance ids cannot have.
    """

    name: str
    key: str

    def __post_init__(self) -> None:
        for what, text, limit in (("name", self.name, MAX_NAME), ("key", self.key, MAX_KEY)):
            if not isinstance(text, str):
                raise InvalidInstanceIdError(
                    f"an entity's {what} is a string, not {type(text).__name__}"
                )
            if len(text) > limit:
                raise InvalidInstanceIdError(
                    f"the entity's {what} has {len(text)} characters; at most {limit} are allowed"
                )
            check_characters(text, f"the entity's {what}")
        if not self.name or "@" in self.name:
            raise InvalidInstanceIdError("an entity's name must not be empty, nor hold an '@'")
        object.__setattr__(self, "name", self.name.lower())

    def __str__(self) -> str:
        return f"@{self.name}@{self.key}"

    @classmethod
    def parse(cls, text: str) -> EntityId:
        """From `@name@key`; InvalidInstanceIdError for anything else."""
        name, separator, key = text[1:].partition("@")
        if not text.startswith("@") or not separator:
            raise InvalidInstanceIdError(f"{text[:60]!r} is no entity id: it looks like @name@key")
        return cls(name, key)


def is_entity(instance_id: str) -> bool:
    """Whether an id is an entity's."""
    return instance_id.startswith("@")


@dataclass(frozen=True, slots=True)
class Lock:
    """Who has an entity to itself, and since when."""

    owner: Parent
    since: datetime

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**self.owner.to_dict(), "since": self.since.isoformat()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Lock:
        """The inverse of `to_dict`."""
        since = datetime.fromisoformat(data.pop("since"))
        return cls(Parent.from_dict(data), since)
