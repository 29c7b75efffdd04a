"""azure-functions-runtime, the Functions host's own Python worker, in a folder of its own."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LOCK = ROOT / "requirements" / "functions-worker.txt"
FOLDER = ROOT / ".tools" / "functions-worker"


def worker_library() -> Path:
    """The folder to put on a Python path; installed when it is not there, or was made from other
    requirements. Processes that need it at once take turns."""
    FOLDER.parent.mkdir(exist_ok=True)
    stamp = FOLDER / "installed-from"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    with (FOLDER.parent / ".functions-worker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(FOLDER, ignore_errors=True)
            _install()
            stamp.write_text(wanted)
    return FOLDER


def _install() -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--ignore-requires-python", "--require-hashes"]
    command += ["--target", str(FOLDER), "--requirement", str(LOCK)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"could not install {LOCK.name}: {done.stderr[-2000:]}")
