"""`python -m durable` as a real process, in an app folder of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 40.0


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """This process's, without settings of an app, and `values`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AzureWebJobs", "DURABLE_", "WEBSITE_", "FUNCTIONS_"))
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", **values}


def run(
    folder: Path, *arguments: str, python: str = sys.executable, **values: str
) -> subprocess.CompletedProcess[str]:
    """A command to its end."""
    return subprocess.run(
        [python, "-m", "durable", *arguments],
        cwd=folder,
        env=environment(values),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@dataclass
class Process:
    """A worker that has said where it listens."""

    popen: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    said: threading.Condition = field(default_factory=threading.Condition)

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            with self.said:
                self.lines.append(line)
                self.said.notify_all()
        with self.said:
            self.lines.append("<end of log>\n")
            self.said.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line that matches; fails when the process ends without it."""
        with self.said:
            self.said.wait_for(
                lambda: re.search(pattern, self.log) or "<end of log>" in self.log, SECONDS
            )
            found = re.search(pattern, self.log)
        assert found is not None, self.log
        return found

    @property
    def address(self) -> str:
        return self.wait_for(r"listening on (http://\S+)")[1]

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(SECONDS)


@contextmanager
def worker(
    folder: Path, *arguments: str, python: str = sys.executable, **values: str
) -> Iterator[Process]:
    """`durable start` on a free port; killed at the end if it still runs."""
    popen = subprocess.Popen(
        [python, "-m", "durable", "start", "--port", "0", *arguments],
        cwd=folder,
        env=environment(values),
        stderr=subprocess.PIPE,
        text=True,
    )
    process = Process(popen)
    reader = threading.Thread(target=process.read)
    reader.start()
    try:
        yield process
    finally:
        popen.kill()
        popen.wait()
        reader.join()
        assert popen.stderr is not None
        popen.stderr.close()
