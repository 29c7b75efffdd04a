"""Requests that schemathesis makes of the OpenAPI document, as the management API serves it."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from durable.management.table import ROUTES
from durable.worker.access import KeyAccess, Keys
from tests.attack.serving import listening
from tests.attack.test_http import new_world
from tools.provisions import security_tools

EXAMPLES = os.environ.get("DURABLE_EXAMPLES", "10")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,ignored_auth"
KEYS = Keys("function-key", "master-key")


NAMES = """
[[operations]]
include-operation-id = ["start", "startWithId"]
parameters = { name = "work" }

[[operations]]
include-operation-id = ["signalEntity", "deleteEntity", "entity"]
parameters = { name = "counter" }
"""
"""What the app has, which no generator would hit upon."""


async def test_the_document_says_what_the_api_answers(tmp_path: Path) -> None:
    said = await schemathesis(tmp_path, "examples,coverage,fuzzing", "")
    # it leaves out the document itself
    assert re.search(rf"Tested: {len(ROUTES) - 1}\n", said), said
    found = re.search(r"(\d+) generated, (\d+) passed", said)
    assert found is not None, said
    assert int(found[1]) == int(found[2]) > 500


async def test_one_request_after_the_other_as_answers_lead(tmp_path: Path) -> None:
    # each start answers with a dozen links, so some are tried in each of more scenarios
    examples = str(2 * int(EXAMPLES))
    said = await schemathesis(tmp_path, "stateful", NAMES, examples)
    found = re.search(r"Scenarios: +(\d+)", said)
    covered = re.search(r"API Links: +(\d+) covered / (\d+) selected", said)
    assert found is not None, said
    assert covered is not None, said
    assert int(found[1]) >= int(examples)
    assert int(covered[1]) >= 8


async def schemathesis(folder: Path, phases: str, settings: str, examples: str = EXAMPLES) -> str:
    """What it says of a hub's API after those phases, in which nothing failed."""
    program = await asyncio.to_thread(lambda: security_tools() / "schemathesis")
    (folder / "schemathesis.toml").write_text(settings)
    world = await new_world()
    async with listening(world, KeyAccess(KEYS)) as port:
        root = f"http://127.0.0.1:{port}/api/durabletask"
        running = await asyncio.create_subprocess_exec(
            *(str(program), "run", f"{root}/openapi.json", "--url", root),
            *("--header", f"x-functions-key:{KEYS.function}"),
            *("--checks", CHECKS, "--phases", phases),
            *("--max-examples", examples, "--seed", "1", "--continue-on-failure"),
            *("--generation-database", "none", "--request-timeout", "10", "--no-color"),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await running.communicate()
    said = output.decode()
    assert running.returncode == 0, said[-6000:]
    return said
