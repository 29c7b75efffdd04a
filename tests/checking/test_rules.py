"""What is found in the body of an orchestrator, and what is not."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from durable.checking import CODES, Checked, check

HEAD = """
import asyncio, os, random, secrets, subprocess, threading, time, uuid
import datetime as dt
from datetime import date, datetime, timedelta
from pathlib import Path
from time import sleep as rest
import durable as df
app = df.DFApp()
"""


def checked(tmp_path: Path, text: str) -> Checked:
    (tmp_path / "function_app.py").write_text(textwrap.dedent(text))
    return check([tmp_path], tmp_path)


def found(tmp_path: Path, body: str, head: str = "") -> list[str]:
    """The codes for an orchestrator of that body."""
    code = (
        f'{HEAD}\n{textwrap.dedent(head)}\n@app.orchestration_trigger(context_name="context")\n'
        f"async def orchestrate(context):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
    )
    return [each.code for each in checked(tmp_path, code).findings]


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("DUR101", "datetime.now()"),
        ("DUR101", "dt.datetime.now(dt.timezone.utc)"),
        ("DUR101", "datetime.utcnow()"),
        ("DUR101", "date.today()"),
        ("DUR101", "time.time()"),
        ("DUR101", "time.monotonic()"),
        ("DUR101", "now = datetime.now\nnow()"),
        ("DUR101", "from time import time as clock\nclock()"),
        ("DUR101", "return (lambda: time.time())()"),
        ("DUR101", "def inner():\n    return time.time()\ninner()"),
        ("DUR101", "[time.time() for _ in range(3)]"),
        ("DUR101", "time.strftime('%Y')"),
        ("DUR101", "time.localtime()"),
        ("DUR102", "time.sleep(1)"),
        ("DUR102", "rest(1)"),
        ("DUR102", "await asyncio.sleep(1)"),
        ("DUR103", "random.random()"),
        ("DUR103", "random.Random().random()"),
        ("DUR103", "uuid.uuid4()"),
        ("DUR103", "uuid.uuid1()"),
        ("DUR103", "secrets.token_hex(4)"),
        ("DUR103", "hash(context.get_input())"),
        ("DUR103", "os.urandom(4)"),
        ("DUR103", "from random import choice\nchoice([1, 2])"),
        ("DUR104", "open('x')"),
        ("DUR104", "Path('x').read_text()"),
        ("DUR104", "path = Path('x')\npath.write_text('')"),
        ("DUR104", "subprocess.run(['x'])"),
        ("DUR104", "import requests\nrequests.get('https://x')"),
        ("DUR104", "import httpx\nawait httpx.AsyncClient().get('x')"),
        ("DUR104", "import aiohttp\nasync with aiohttp.ClientSession() as s:\n    pass"),
        ("DUR104", "import urllib.request\nurllib.request.urlopen('x')"),
        ("DUR104", "import socket\nsocket.create_connection(('x', 1))"),
        (
            "DUR104",
            "from azure.storage.blob import BlobServiceClient\n"
            "BlobServiceClient.from_connection_string('x')",
        ),
        ("DUR104", "from azure.identity.aio import DefaultAzureCredential as C\nC()"),
        ("DUR105", "threading.Thread(target=print)"),
        ("DUR105", "asyncio.create_task(context.call_activity('a'))"),
        ("DUR105", "await asyncio.gather(context.call_activity('a'))"),
        ("DUR105", "await asyncio.wait_for(context.call_activity('a'), 3)"),
        ("DUR105", "asyncio.Queue()"),
        ("DUR105", "context.loop.run_in_executor(None, print)"),
        (
            "DUR105",
            "from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor()",
        ),
        ("DUR106", "os.environ['X']"),
        ("DUR106", "os.environ.get('X')"),
        ("DUR106", "os.getenv('X')"),
        ("DUR106", "from os import environ as e\nreturn e['X']"),
        ("DUR107", "for x in {1, 2}:\n    await context.call_activity('a', x)"),
        ("DUR107", "names = set(context.get_input())\nfor n in names:\n    print(n)"),
        ("DUR107", "return list(set(context.get_input()))"),
        ("DUR107", "return [context.call_activity('a', x) for x in {1, 2} | {3}]"),
        ("DUR107", "left = {1, 2}\nleft.pop()"),
        ("DUR107", "return list(frozenset([1]).union([2]))"),
        ("DUR109", "import payments_sdk\nawait payments_sdk.charge(1)"),
        ("DUR109", "import sdk\nasync with sdk.session() as s:\n    pass"),
        ("DUR109", "import sdk\nasync for page in sdk.pages():\n    pass"),
    ],
)
def test_what_replay_cannot_repeat(tmp_path: Path, code: str, body: str) -> None:
    assert set(found(tmp_path, body)) == {code}
    assert code in CODES


@pytest.mark.parametrize(
    "body",
    [
        "context.current_utc_datetime",
        "context.new_uuid()",
        "uuid.uuid5(uuid.NAMESPACE_URL, 'x')",
        "random.Random(context.new_uuid()).random()",
        "await context.create_timer(timedelta(seconds=1))",
        "datetime(2026, 1, 1).isoformat()",
        "datetime.fromisoformat('2026-01-01')",
        "print('started')",
        "return time.strftime('%Y', context.current_utc_datetime.timetuple())",
        "id = context.get_input()\nreturn id(1)",
        "return asyncio.iscoroutinefunction(context.get_input())",
        "async with context.lock_entities([df.EntityId('counter', 'a')]):\n    pass",
        "if not context.is_replaying:\n    time.time()",
        "await context.when_all([context.call_activity('a', n) for n in sorted({1, 2})])",
        "return 1 in {1, 2}",
        "total = 0\nfor x in {1, 2}:\n    total += x\nreturn total",
        "return sum(x for x in {1, 2})",
        "names = set()\nnames.add(1)\nreturn len(names)",
        "try:\n    await context.call_activity('a')\nexcept asyncio.TimeoutError:\n    pass",
        "import requests\ntry:\n    pass\nexcept requests.exceptions.HTTPError:\n    pass",
        "from azure.storage.blob import ContentSettings\nContentSettings('text/plain')",
        "from azure.functions import HttpResponse\nHttpResponse('x')",
        "from urllib.parse import quote\nquote('x')",
        "import library\nawait library.approve(context, 'x')",
        "Path('x').name",
        "time = context.get_input()\ntime.time()",
        "return [random for random in [context] if random.random()]",
        "tasks = [context.call_activity('a')]\nwhile tasks:\n"
        "    tasks.remove(await context.when_any(tasks))",
        "@app.activity_trigger(input_name='x')\ndef stamp(x):\n    return time.time()",
    ],
)
def test_what_it_can(tmp_path: Path, body: str) -> None:
    assert found(tmp_path, body) == []


@pytest.mark.parametrize(
    ("head", "body", "code"),
    [
        ("COUNT = 0", "global COUNT\nCOUNT += 1", "DUR108"),
        ("SEEN = []", "SEEN.append(1)", "DUR108"),
        (
            "SEEN = {}\n@app.activity_trigger(input_name='x')\ndef note(x):\n    SEEN[x] = 1",
            "return SEEN.get('a')",
            "DUR108",
        ),
        ("SEEN = {}\ndef note(x):\n    SEEN[x] = 1", "note('a')", "DUR108"),
        ("SEEN = {}\ndef note(x):\n    SEEN[x] = 1\nnote('a')", "return SEEN.get('a')", None),
        ("LAST = None\ndef set_it(x):\n    global LAST\n    LAST = x", "return LAST", "DUR108"),
        ("RATES = {'eur': 1}", "return RATES['eur']", None),
        ("SEEN = []\nSEEN.append(1)", "return SEEN", None),
        ("LEFT = []", "LEFT = []\nLEFT.append(1)", None),
    ],
)
def test_state_outside(tmp_path: Path, head: str, body: str, code: str | None) -> None:
    assert set(found(tmp_path, body, head)) == ({code} if code else set())


def test_an_activity_that_is_run_in_place(tmp_path: Path) -> None:
    head = '@app.activity_trigger(input_name="x")\ndef charge(x):\n    return open(x).read()\n'
    assert found(tmp_path, "return charge(1)", head) == ["DUR110"]
    assert found(tmp_path, "return await context.call_activity(charge, 1)", head) == []


def test_what_to_do_stands_with_the_place(tmp_path: Path) -> None:
    (each,) = checked(
        tmp_path,
        """
        import time
        import durable as df
        bp = df.Blueprint()

        @bp.orchestration_trigger(context_name="context")
        def old(context):
            yield context.call_activity("a", time.time())
        """,
    ).findings
    assert str(each) == (
        "function_app.py:8:38: DUR101 `time.time()` reads the clock, which says something else in "
        "replay: use context.current_utc_datetime"
    )
    assert each.to_dict()["orchestrator"] == "old"


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# durable: ignore[DUR101]", []),
        ("# durable: ignore[dur103, DUR101] a reason", []),
        ("# durable: ignore", []),
        ("# durable: ignore[DUR103]", ["DUR101"]),
        ("# durable: ignored", ["DUR101"]),
    ],
)
def test_comments_that_allow(tmp_path: Path, comment: str, expected: list[str]) -> None:
    assert found(tmp_path, f"time.time()  {comment}") == expected
