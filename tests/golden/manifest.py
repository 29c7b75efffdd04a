"""Which golden histories there are, each with its SHA-256, in the order they were recorded.

The manifest is what makes them append-only: a file that differs from its line, or has none, is
an error, and so is a line without its file. `sha256sum -c MANIFEST` says the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

HISTORIES = Path(__file__).parent / "histories"
NAME = "MANIFEST"


def listed(folder: Path = HISTORIES) -> dict[str, str]:
    """Digests by file name."""
    path = folder / NAME
    lines = path.read_text().splitlines() if path.exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def is_recorded(name: str, folder: Path = HISTORIES) -> bool:
    """Whether that file is there, or has been."""
    return name in listed(folder) or (folder / name).exists()


def append(names: Iterable[str], folder: Path = HISTORIES) -> None:
    """Add lines for new files."""
    with (folder / NAME).open("a") as manifest:
        for name in names:
            manifest.write(f"{digest(folder / name)}  {name}\n")


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    return sha256(path.read_bytes()).hexdigest()


def complaints(folder: Path = HISTORIES) -> list[str]:
    """What is wrong with the folder, in words that say what to do."""
    known = listed(folder)
    there = {path.name for path in folder.iterdir()} - {NAME}
    wrong = [f"{name} is gone: restore it from version control" for name in known.keys() - there]
    wrong += [
        f"{name} is in no line of {NAME}: record histories with `python -m tests.golden.record`"
        for name in there - known.keys()
    ]
    wrong += [
        f"{name} was changed: it is what a released version wrote, and today's code has to read "
        "that. Restore it, mend the code, and record what is new under another name"
        for name in known.keys() & there
        if digest(folder / name) != known[name]
    ]
    return sorted(wrong)
