"""Look up the pinned packages in the advisory database, or list them.

    python tools/audit.py           known vulnerabilities; fails where there is one
    python tools/audit.py sbom      a CycloneDX document of requirements/runtime.txt, on stdout

An advisory database that cannot be reached is said, and is no failure: what is pinned has not
changed since it was looked at.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from advisories import verdict_of
from provisions import REQUIREMENTS, ROOT, security_tools

LOCKS = ("runtime.txt", "dev.txt")


def main() -> int:
    """The exit code."""
    if sys.argv[1:] == ["sbom"]:
        return sbom(REQUIREMENTS / "runtime.txt")
    # each of them, so that one run names all that is wrong
    return max([audit(REQUIREMENTS / lock) for lock in LOCKS])


def audit(lock: Path) -> int:
    """1 where a package has a known vulnerability, or cannot be told."""
    command = [str(security_tools() / "pip-audit"), "--disable-pip", "--require-hashes"]
    command += ["--progress-spinner", "off", "--format", "json", "--requirement", str(lock)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    verdict, code = verdict_of(done.stdout, done.stderr)
    print(f"{lock.relative_to(ROOT)}: {verdict}")
    return code


def sbom(lock: Path) -> int:
    """Print a CycloneDX document of what is pinned."""
    command = [str(security_tools() / "cyclonedx-py"), "requirements", "--pyproject"]
    command += [str(ROOT / "pyproject.toml"), "--output-reproducible", str(lock)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
