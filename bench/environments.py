"""The peers' environments: each in `.tools/bench/<name>`, made on first use.

The package never depends on a peer; what a peer brings along stays in its own environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.bootstrap import machine_npm
from tools.processes import ROOT

PEERS = Path(__file__).resolve().parent / "peers"
INSTALLED = (ROOT / ".tools").resolve() / "bench"
INSTALL_SECONDS = 600.0


class Unavailable(Exception):
    """A peer cannot be installed or started; the message says why, in a line."""


def python_of(name: str) -> Path:
    """The interpreter of the environment that `peers/<name>.txt` pins. Raises Unavailable."""
    lock = PEERS / f"{name}.txt"

    def install(folder: Path) -> None:
        venv.create(folder, with_pip=True)
        options = ("--quiet", "--no-input", "--disable-pip-version-check", "--require-hashes")
        python = folder / "bin" / "python"
        _run([python, "-m", "pip", "install", *options, "-r", lock], folder)

    return _provided(name, lock, install) / "bin" / "python"


def restate_server() -> Path:
    """The program of Restate's server, from npm. Raises Unavailable."""
    source = PEERS / "restate_server"

    def install(folder: Path) -> None:
        npm = machine_npm()
        if npm is None:
            raise Unavailable("there is no npm on this machine")
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        # its install script only reports to its makers
        _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)

    folder = _provided("restate_server", source / "package-lock.json", install)
    found = list(folder.glob("node_modules/@restatedev/restate-server-*/bin/restate-server"))
    if not found:
        raise Unavailable("npm has no restate-server for this machine")
    return found[0]


def _provided(name: str, lock: Path, install: Callable[[Path], None]) -> Path:
    folder = INSTALLED / name
    stamp = INSTALLED / f"{name}.installed-from"
    # the scripts of a virtual environment name its folder: a copied tree needs a new one
    wanted = f"{folder} {hashlib.sha256(lock.read_bytes()).hexdigest()}"
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with (INSTALLED / f".{name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            print(f"bench: {name} is installed into .tools/bench/{name} ...", flush=True)
            stamp.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            stamp.write_text(wanted)
    return folder


def _run(command: Sequence[str | Path], folder: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"its installation took more than {INSTALL_SECONDS:.0f} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"it could not be installed: {said[-1] if said else 'no reason given'}")
