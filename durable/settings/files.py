"""host.json and local.settings.json as the Functions tools read them: comments, trailing commas."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from durable.errors import ConfigurationError

_STRING = r'"(?:\\.|[^"\\])*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.DOTALL)


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None without the file. ConfigurationError for anything else."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    try:
        content = json.loads(_plain(text))
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: must be a JSON object: write {{ … }}")
    return content


def _plain(text: str) -> str:
    """Strict JSON of the same lines and columns."""
    return _TRAILING_COMMA.sub(_blank, _COMMENT.sub(_blank, text))


def _blank(match: re.Match[str]) -> str:
    return match[1] or re.sub(r"[^\n]", " ", match[0])


def local_values(path: Path, content: dict[str, Any]) -> dict[str, str]:
    """`Values` of local.settings.json, as text. Refuses an encrypted file."""
    if str(content.get("IsEncrypted", False)).casefold() == "true":
        raise ConfigurationError(
            f"{path}: IsEncrypted is true, and only Core Tools can decrypt it: run "
            "`func settings decrypt`, or set IsEncrypted to false and write the values anew"
        )
    values = content.get("Values")
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigurationError(f'{path}: Values must be an object: write {{"NAME": "value"}}')
    return {
        name: _as_text(path, name, value) for name, value in values.items() if value is not None
    }


def _as_text(path: Path, name: str, value: Any) -> str:
    if isinstance(value, dict | list):
        raise ConfigurationError(
            f"{path}: Values.{name} must be a string: write JSON inside it as a string, or "
            f"one value for each part as {name}__PART"
        )
    return value if isinstance(value, str) else json.dumps(value)
