"""What a look into the advisory database amounts to."""

from __future__ import annotations

import json
from typing import Any

UNREACHABLE = (
    "ConnectionError",
    "Could not connect",
    "Failed to establish a new connection",
    "Max retries exceeded",
    "NameResolutionError",
    "ReadTimeout",
    "ServiceError",
    "timed out",
)


def verdict_of(report: str, said: str) -> tuple[str, int]:
    """What pip-audit's report and stderr amount to, and the exit code for it."""
    if not report.strip():
        if any(sign in said for sign in UNREACHABLE):
            return "NOT CHECKED: the advisory database cannot be reached", 0
        return f"pip-audit failed:\n{said[-2000:]}", 1
    packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    vulnerable = [each for each in packages if each.get("vulns")]
    if vulnerable:
        lines = [
            f"  {each['name']} {each['version']}: {found['id']}, mended in "
            f"{', '.join(found['fix_versions']) or 'no version yet'}"
            for each in vulnerable
            for found in each["vulns"]
        ]
        return "\n".join(["KNOWN VULNERABILITIES", *lines]), 1
    if len(skipped) == len(packages):
        return "NOT CHECKED: the index in reach has no advisories", 0
    if skipped:
        return f"packages that the advisory database does not know: {', '.join(skipped)}", 1
    return f"no known vulnerabilities in {len(packages)} packages", 0
