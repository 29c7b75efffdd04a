"""The package alone as a wheel, in an environment that knows nothing of this repository.

The wheel's dependencies are those of the environment that runs the tests, named in a `.pth`: a
download of what is there already would make the test slow and need a network. Such a folder's own
`.pth` files are not read, so that the repository's editable install is not among them.
"""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import aiohttp
import pytest

from tests.azurite import ROOT, Azurite
from tests.worker.running import worker

APP = """
import azure.functions as func

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.activity_trigger(input_name="name")
def greet(name: str) -> str:
    return f"hello {name}"

@app.orchestration_trigger(context_name="context")
async def hello(context: df.DurableOrchestrationContext) -> str:
    return await context.call_activity(greet, context.get_input(str))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment that the wheel is installed in."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    made = folder / "bin" / "python"
    _pip("--python", str(made), "install", "--no-deps", "--no-index", str(wheel))
    (packages,) = folder.glob("lib/*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        about = Parser().parsestr(archive.read(metadata).decode())
    info = metadata.partition("/")[0]
    assert {name.partition("/")[0] for name in names} == {"durable", info}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "durable").rglob("*.py")}
    packed = {name for name in names if name.startswith("durable/")}
    assert packed == {*sources, "durable/py.typed"}
    assert about["Requires-Python"] == ">=3.11"
    required = {each.partition(">=")[0] for each in about.get_all("Requires-Dist", [])}
    assert {"aiohttp", "azure-data-tables", "azure-functions", "azure-storage-queue"} <= required


async def test_an_app_of_another_folder_runs_with_it(
    python: Path, tmp_path: Path, azurite: Azurite
) -> None:
    (tmp_path / "function_app.py").write_text(APP)
    hub = f"Wheel{secrets.token_hex(4)}"
    (tmp_path / "host.json").write_text(
        f'{{"extensions": {{"durableTask": {{"hubName": "{hub}"}}}}}}'
    )
    shown = await asyncio.to_thread(
        _said, tmp_path, python, "-c", "import durable as d; print(d.__file__)"
    )
    assert Path(shown.strip()).is_relative_to(python.parent.parent)
    values = {"AzureWebJobsStorage": azurite.connection_string, "PYTHONPATH": ""}
    with worker(tmp_path, python=str(python), **values) as process:
        address = await asyncio.to_thread(lambda: process.address)
        start = f"{address}/api/durabletask/orchestrators/hello?timeout=30"
        async with (
            aiohttp.ClientSession() as session,
            session.post(start, json="you") as answer,
        ):
            assert (answer.status, await answer.json()) == (200, "hello you")
        assert await asyncio.to_thread(process.terminate) == 0
    listed = await asyncio.to_thread(_said, tmp_path, python.parent / "durable", "functions")
    assert "hello: orchestrator" in listed


def _said(folder: Path, *command: Path | str) -> str:
    """What a command prints that succeeds in that folder."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout
