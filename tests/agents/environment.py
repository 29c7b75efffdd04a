"""agent-framework-azurefunctions in a virtual environment of its own, as its users have it: with
the packages that it names, azure-functions-durable and durabletask among them."""

from __future__ import annotations

import venv
from pathlib import Path

from tests.provisions import pip, provided


def agents_python() -> Path:
    """The environment's Python. It has what `durable` needs, and not `durable` itself."""
    return _python(provided("agent-framework", _install))


def _install(folder: Path, lock: Path) -> None:
    venv.create(folder, with_pip=False, symlinks=True)
    pip("--python", _python(folder), "install", "--require-hashes", "--requirement", lock)


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"
