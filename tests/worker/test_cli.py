"""What goes wrong before anything is served: one clear message, an exit code, no stack of ours."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.azurite import free_ports
from tests.worker.running import run

PLAIN = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="hi/{name}", methods=["GET"])
def hi(req: func.HttpRequest) -> str:
    return "hi"

@app.blob_trigger(arg_name="b", path="x/y", connection="C")
def blob(b: func.InputStream) -> None: ...
"""
NOWHERE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=a2V5;"
    "QueueEndpoint=http://127.0.0.1:{0}/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:{0}/devstoreaccount1;"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "function_app.py").write_text(PLAIN)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    return tmp_path


def fails(folder: Path, code: int, *arguments: str, **values: str) -> str:
    done = run(folder, *arguments, **values)
    assert done.returncode == code, done.stderr
    assert "durable/cli/" not in done.stderr
    assert "durable/worker" not in done.stderr
    assert done.stderr.startswith(("durable: ", "usage: "))
    return done.stderr


def test_no_app_here(tmp_path: Path) -> None:
    said = fails(tmp_path, 2, "start", "--app", "no_such_app:app")
    assert "there is no module 'no_such_app'" in said
    assert "--folder" in said


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "is not a folder" in fails(tmp_path, 2, "start", "--folder", "nope")


def test_a_wrong_name(folder: Path) -> None:
    assert "has no 'other'" in fails(folder, 2, "start", "--app", "function_app:other")
    assert "not a function app" in fails(folder, 2, "start", "--app", "function_app:func")
    assert "write module:name" in fails(folder, 2, "start", "--app", "function_app")


def test_an_import_that_fails_shows_the_apps_own_lines(folder: Path) -> None:
    (folder / "function_app.py").write_text("import helper\n")
    (folder / "helper.py").write_text("def f():\n    return 1 / 0\n\nf()\n")
    said = fails(folder, 2, "start")
    assert "importing function_app failed" in said
    assert 'function_app.py", line 1' in said
    assert 'helper.py", line 2' in said
    assert "ZeroDivisionError" in said
    assert "importlib" not in said


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_module_at_all", "no_such_module_at_all"),
        ("def broken(:", "SyntaxError"),
        ("import sys\nsys.exit('no')", "SystemExit"),
    ],
)
def test_other_import_errors(folder: Path, source: str, says: str) -> None:
    (folder / "function_app.py").write_text(source)
    said = fails(folder, 2, "functions")
    assert says in said
    assert "importing function_app failed" in said


def test_settings_that_are_wrong(folder: Path) -> None:
    (folder / "host.json").write_text("{")
    assert "host.json: is not JSON" in fails(folder, 2, "start")
    (folder / "host.json").write_text('{"extensions": {"durableTask": {"hubName": "%GONE%"}}}')
    assert "GONE" in fails(folder, 2, "start")


def test_a_missing_connection(folder: Path) -> None:
    said = fails(folder, 2, "start", "--port", "0")
    assert "AzureWebJobsStorage is missing" in said


def test_storage_that_does_not_answer(folder: Path) -> None:
    connection = NOWHERE.format(free_ports(1)[0])
    said = fails(folder, 1, "start", "--port", "0", AzureWebJobsStorage=connection)
    assert "does not answer" in said
    assert "Is Azurite running?" in said
    assert "does not answer" in fails(folder, 1, "keys", AzureWebJobsStorage=connection)


def test_a_port_that_is_taken(folder: Path) -> None:
    connection = NOWHERE.format(free_ports(1)[0])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = fails(folder, 1, "start", "--port", port, AzureWebJobsStorage=connection)
    assert f"port {port}" in said
    assert "--port" in said


def test_bad_arguments(folder: Path) -> None:
    for arguments in (("start", "--port", "70000"), ("start", "--drain", "-1"), ("dance",), ()):
        done = run(folder, *arguments)
        assert done.returncode == 2
        assert "usage: durable" in done.stderr


def test_functions_are_listed_without_storage(folder: Path) -> None:
    done = run(folder, "functions")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "hi: GET /api/hi/{name}",
        "function blob is not served: this worker has no blobTrigger; only HTTP, timer and queue "
        "triggers",
    ]


def test_a_function_that_no_host_could_load(folder: Path) -> None:
    source = PLAIN.replace("def hi(req:", "def hi(request:")
    (folder / "function_app.py").write_text(source)
    said = fails(folder, 2, "functions")
    assert "function_app.py:5" in said
    assert "no parameter 'req'" in said


def test_a_durable_function_that_cannot_work_is_reported_once(folder: Path) -> None:
    source = """
import durable as df
app = df.DFApp()

@app.route(route="take")
@app.durable_client_input(client_name="client")
def take(req): ...
"""
    (folder / "function_app.py").write_text(source)
    said = fails(folder, 2, "functions")
    assert "function_app.py:5: take: " in said
    assert said.count("\n") == 1
