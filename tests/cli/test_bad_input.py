"""Bad input is one line and exit code 2, before anything is opened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import CommandLine

START = ("start-new", "--function-name", "f")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("start-new",), "required: --function-name"),
        (("start-new", "--function-name", " "), "--function-name: it must not be empty"),
        (("start-new", "--function-name", "f" * 1001), "at most 1000"),
        ((*START, "--nope", "1"), "unrecognized arguments: --nope 1"),
        ((*START, "--id", "a/b"), "--id: the instance id holds '/'"),
        ((*START, "--id", ""), "must not be empty"),
        ((*START, "--id", "x" * 201), "at most 200"),
        ((*START, "--id", "\udc80"), "not valid Unicode"),
        ((*START, "--id", "a\nb"), "holds '\\n'"),
        ((*START, "--id"), "--id: expected one argument"),
        ((*START, "--id", "--"), "--id: '--' cannot be given"),
        ((*START, "--id=--"), "--id: '--' cannot be given"),
        ((*START, "--id", "--version", "1"), "--id: expected one argument"),
        ((*START, "--input", "hello"), "not JSON"),
        ((*START, "--input", "NaN"), "not JSON"),
        ((*START, "--input", ""), "is empty"),
        ((*START, "--input", "[" * 100_000), "nested too deeply"),
        ((*START, "--input", "@no/such/file"), "No such file"),
        ((*START, "--input", "@"), "cannot be read"),
        ((*START, "--version", "v" * 201), "at most 200"),
        ((*START, "--tag", "loose"), "write NAME=VALUE"),
        ((*START, *(f"--tag={n}={'x' * 900}" for n in range(5))), "at most 4000"),
        ((*START, "--if-exists", "maybe"), "invalid choice: 'maybe'"),
        ((*START, "--output", "xml"), "invalid choice: 'xml'"),
        (("raise-event", "--id", "a"), "required: --event-name"),
        (("raise-event", "--id", "a", "--event-name", ""), "must not be empty"),
        (("terminate", "--id", "a", "--reason", "x" * 8001), "at most 8000"),
        (("get-instances", "--runtime-status", "Runing"), "no runtime status"),
        (("get-instances", "--runtime-status", ""), "must not be empty"),
        (("get-instances", "--top", "0"), "from 1 to 1000"),
        (("get-instances", "--top", "1001"), "from 1 to 1000"),
        (("get-instances", "--created-after", "yesterday"), "ISO 8601"),
        (("get-instances", "--created-after", "2026-02-30"), "ISO 8601"),
        (("get-instances", "--created-after", ""), "must not be empty"),
        (
            ("get-instances", "--created-after", "2026-02-02", "--created-before", "2026-02-01"),
            "later than --created-before",
        ),
        (("get-instances", "--continuation-token", "?"), "not one that this command gave"),
        (("get-instances", "--show-input", "maybe"), "true or false"),
        (("get-instances", "--instance-id-prefix", "a/"), "holds '/'"),
        (("purge-history", "--id", "a", "--runtime-status", "failed"), "not both"),
        (("purge-history", "--runtime-status", "running"), "only ended instances"),
        (("get-history", "--task-hub-name", "a-b"), "no hub's name"),
        (("get-entity", "--id", "counter"), "looks like @name@key"),
        (("get-entity", "--id", "@@a"), "must not be empty"),
        (("signal-entity", "--id", "@counter@a"), "required: --operation"),
        (("signal-entity", "--id", "@counter@a", "--operation", "add", "--input", "x"), "not JSON"),
        (("get-entities", "--key-prefix", "a"), "--key-prefix needs --name"),
        (("get-entities", "--name", "a/b"), "holds '/'"),
        (
            ("get-entities", "--modified-after", "2026-02-02", "--modified-before", "2026-02-01"),
            "later than --modified-before",
        ),
    ],
)
async def test_it_is_refused_in_one_line(
    durable: CommandLine, given: tuple[str, ...], says: str
) -> None:
    assert says in await durable.refused(2, *given)
    assert durable.opened == 0


async def test_errors_are_json_where_the_output_is(durable: CommandLine) -> None:
    done = await durable("terminate", "--output", "json")
    assert (done.code, done.stdout, durable.opened) == (2, "", 0)
    said = json.loads(done.stderr)
    assert said["error"] == "InvalidRequest"
    assert "required: --id" in said["message"]
    done = await durable(*START, "--input", "{", "--output=json")
    assert json.loads(done.stderr)["error"] == "InvalidRequest"


async def test_a_file_that_is_not_text(durable: CommandLine, tmp_path: Path) -> None:
    for content, says in ((b"\xff\xfe\x00", "not UTF-8 (byte 0)"), (b" \n", "is empty")):
        (tmp_path / "input").write_bytes(content)
        said = await durable.refused(2, *START, "--input", f"@{tmp_path / 'input'}")
        assert says in said
    assert "cannot be read" in await durable.refused(2, *START, "--input", f"@{tmp_path}")
    assert durable.opened == 0


async def test_a_connection_string_in_place_of_its_settings_name_is_not_repeated(
    durable: CommandLine,
) -> None:
    secret = "AccountName=x;AccountKey=c2VjcmV0;"
    given = ("get-instances", "--connection-string-setting", secret)
    said = await durable.refused(2, *given)
    assert "the name of a setting" in said
    assert "c2VjcmV0" not in said


async def test_a_token_of_something_else(durable: CommandLine) -> None:
    said = await durable.refused(2, "get-instances", "--continuation-token", "e30=")
    assert "not one that this command gave" in said


async def test_a_folder_that_is_not_there(durable: CommandLine, tmp_path: Path) -> None:
    durable.folder = tmp_path / "nowhere"
    assert "is not a folder" in await durable.refused(2, "get-instances")
