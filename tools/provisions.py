"""What checks and tests install for themselves, apart from everything else, in folders of
`.tools`."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
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
    _run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments])


def security_tools() -> Path:
    """The folder of the programs that requirements/security.txt pins."""

    def install(folder: Path, lock: Path) -> None:
        venv.create(folder, with_pip=True)
        command = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
        _run([*command, "--disable-pip-version-check", "--require-hashes", "-r", str(lock)])

    return provided("security", install) / "bin"


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip failed: {done.stderr[-2000:]}")
