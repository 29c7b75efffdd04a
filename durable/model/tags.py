"""Tags: what a start says about its instance, for lists and filters."""

from __future__ import annotations

from collections.abc import Mapping

from durable.errors import InvalidRequestError
from durable.model.unicode import is_unicode

MOST_TAGS = 50
LONGEST_TAGS = 4000
"""Characters of all names and values together."""


def check_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """The tags as a dict: strings by names that are not empty, 50 at most, and with at most 4,000
    characters together. Raises InvalidRequestError otherwise."""
    if tags is None:
        return {}
    if not isinstance(tags, Mapping):
        raise InvalidRequestError(f"tags are a mapping of strings, not a {type(tags).__name__}")
    for name, value in tags.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise InvalidRequestError(f"tags are strings by name; {name!r} is {value!r}")
        if not name:
            raise InvalidRequestError("a tag's name must not be empty")
        if not is_unicode(name + value):
            raise InvalidRequestError(f"tag {name!a} is not valid Unicode")
    if len(tags) > MOST_TAGS:
        raise InvalidRequestError(f"there are {len(tags)} tags; at most {MOST_TAGS} are taken")
    length = sum(len(name) + len(value) for name, value in tags.items())
    if length > LONGEST_TAGS:
        raise InvalidRequestError(
            f"the tags have {length} characters together; at most {LONGEST_TAGS} are taken"
        )
    return dict(tags)
