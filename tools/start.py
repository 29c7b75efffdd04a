"""Run the sample app until Ctrl-C, with Azurite beside it.

    .venv/bin/python tools/start.py [options of `durable start`]

Azurite keeps its data in `.azurite/` and its usual ports; one that runs there already is
used and left running. Where AzureWebJobsStorage says something else, in the environment or
in local.settings.json, no Azurite is started.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack

from processes import (
    DEFAULT_PORTS,
    ROOT,
    Process,
    accepts,
    run,
    start_azurite,
    worker_command,
)

SETTING = "AzureWebJobsStorage"
DEVELOPMENT = "UseDevelopmentStorage=true"
DRAIN_SECONDS = 40.0


def main() -> int:
    environment = dict(os.environ)
    storage = configured_storage(environment)
    with ExitStack() as children:
        if storage == DEVELOPMENT:
            if storage_runs():
                print("storage: the Azurite that runs on ports 10000 to 10002", flush=True)
            else:
                folder = ROOT / ".azurite"
                folder.mkdir(exist_ok=True)
                azurite = start_azurite(folder, log=folder / "output.log")
                children.callback(azurite.stop)
                print("storage: Azurite, with its data in .azurite/", flush=True)
            environment.setdefault(SETTING, DEVELOPMENT)
        worker = Process("the worker", worker_command(*sys.argv[1:]), environment=environment)
        children.callback(worker.stop, DRAIN_SECONDS)
        try:
            return worker.wait()
        except KeyboardInterrupt:
            return worker.stop(DRAIN_SECONDS)


def configured_storage(environment: dict[str, str]) -> str:
    """The connection that the worker will use, as far as it matters here."""
    values: dict[str, str] = {}
    try:
        values = json.loads((ROOT / "local.settings.json").read_text("utf-8-sig")).get("Values", {})
    except FileNotFoundError:
        pass
    except (ValueError, AttributeError):
        # the worker says what is wrong with the file
        return ""
    known = {**values, **environment}
    if any(name.startswith(f"{SETTING}__") for name in known):
        return ""
    return known.get(SETTING) or DEVELOPMENT


def storage_runs() -> bool:
    return all(accepts(port) for port in DEFAULT_PORTS[1:])


if __name__ == "__main__":
    run(main, "start")
