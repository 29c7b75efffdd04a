"""App settings: a mapping of strings, found as .NET configuration finds them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from durable.errors import ConfigurationError

_PLACEHOLDER = re.compile(r"%([^%]*)%")


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """Case and the separator (`__` or `:`) do not tell two settings apart."""
    return name.replace("__", ":").casefold()


def merged(values: Mapping[str, str], environ: Mapping[str, str]) -> Mapping[str, str]:
    """Both, where `environ` wins; read-only."""
    taken = set(map(folded, environ))
    kept = {name: value for name, value in values.items() if folded(name) not in taken}
    return MappingProxyType(kept | dict(environ))


def setting(values: Mapping[str, str], name: str) -> str | None:
    """The value of the setting `name`: exactly that name, else one that differs in case or
    separator; None when there is none."""
    if name in values:
        return values[name]
    wanted = folded(name)
    return next((value for key, value in values.items() if folded(key) == wanted), None)


def resolved(text: str, values: Mapping[str, str], where: str) -> str:
    """`text` with each `%NAME%` replaced by the setting NAME, once, as the Functions host does.

    Raises ConfigurationError, naming `where` and the setting, for one that is not set, and for a
    percent sign without a partner.
    """

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        value = setting(values, name)
        if not name or value is None:
            raise ConfigurationError(
                f"{where} is {text!r}, and there is no setting {name!r}: set it in the "
                "environment, in the app settings, or under Values of local.settings.json"
            )
        return value

    if text.count("%") % 2:
        raise ConfigurationError(
            f"{where} is {text!r}: a % has no partner; write %NAME% for the setting NAME"
        )
    return _PLACEHOLDER.sub(replace, text)
