"""azure-functions-runtime, the Functions host's own Python worker, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from tests.provisions import ROOT, pip, provided

__all__ = ["ROOT", "worker_library"]


def worker_library() -> Path:
    """The folder to put on a Python path; installed when it is needed."""
    return provided("functions-worker", _install)


def _install(folder: Path, lock: Path) -> None:
    options = ("--no-deps", "--ignore-requires-python", "--require-hashes")
    pip("install", *options, "--target", folder, "--requirement", lock)
