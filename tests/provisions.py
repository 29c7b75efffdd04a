"""What tests install for themselves, apart from everything else, in folders of `.tools`."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
REQUIREMENTS = ROOT / "requirements"


def provided(name: str, install: Callable[[Path, Path], None]) -> Path:
    """`.tools/<name>`, which `install(folder, lock)` fills from `requirements/<name>.txt` when it
    is not there or was made elsewhere or from other requirements. Processes that need it at once
    take turns."""
    folder, lock = TOOLS / name, REQUIREMENTS / f"{name}.txt"
    stamp = folder / "installed-from"
    # the scripts of a virtual environment name its folder: a copied tree needs a new one
    wanted = f"{folder} {hashlib.sha256(lock.read_bytes()).hexdigest()}"
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / f".{name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            install(folder, lock)
            stamp.write_text(wanted)
    return folder


def pip(*arguments: str | Path) -> None:
    """Run this environment's pip. RuntimeError with what it said, when it fails."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip failed: {done.stderr[-2000:]}")
