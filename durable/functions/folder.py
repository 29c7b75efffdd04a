"""Where the app that runs has its host.json, and who loads it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_WORKERS = ("azure_functions_worker", "azure_functions_runtime")


def app_folder(app: object, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that the Functions host names; else that of the module with `app`, or one above
    it, with a host.json; else the current folder, where that host starts its workers."""
    for folder in _candidates(app, environ):
        if (folder / "host.json").is_file():
            return folder
    return Path.cwd()


def _candidates(app: object, environ: Mapping[str, str]) -> Iterator[Path]:
    if root := environ.get("AzureWebJobsScriptRoot"):
        yield Path(root)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and any(each is app for each in vars(module).values()):
            yield from Path(file).resolve().parents


def under_functions_host() -> bool:
    """Whether this process is a Python worker of the Functions host, of either generation."""
    return any(name in sys.modules for name in _WORKERS)
