"""Which calls replay cannot repeat, by the dotted names that imports resolve to."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

CLOCK = "DUR101"
SLEEP = "DUR102"
RANDOM = "DUR103"
IO = "DUR104"
TASKS = "DUR105"
ENVIRONMENT = "DUR106"
SETS = "DUR107"
STATE = "DUR108"
AWAIT = "DUR109"
ACTIVITY = "DUR110"

CODES: Mapping[str, str] = {
    CLOCK: "the clock",
    SLEEP: "sleeping",
    RANDOM: "randomness",
    IO: "I/O",
    TASKS: "threads and tasks",
    ENVIRONMENT: "the environment",
    SETS: "the order of a set",
    STATE: "state outside of the orchestrator",
    AWAIT: "awaiting what is not durable",
    ACTIVITY: "running an activity in place",
}

_SAYS = {
    CLOCK: "reads the clock, which says something else in replay: use context.current_utc_datetime",
    SLEEP: "sleeps in the worker: use await context.create_timer(timedelta(...))",
    RANDOM: "is another value in replay: draw it in an activity, or seed it with the input",
    IO: "is I/O, which replay does again: move it into an activity",
    TASKS: "is not repeated by replay: use context.when_all, context.when_any or activities",
    ENVIRONMENT: "differs between workers and deployments: read it in an activity, or take it as "
    "input",
}
_UUID = "is another value in replay: use context.new_uuid()"
_HASH = "differs between processes: use hashlib, or a key out of the input"
_GATHER = "is not repeated by replay: use context.when_all([...])"
_ANY = "is not repeated by replay: use context.when_any([...])"
_HTTP = "is I/O, which replay does again: use context.call_http(...), or an activity"
_TIMEOUT = (
    "is not repeated by replay: use the timeout of wait_for_external_event, or when_any with a "
    "timer"
)


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


@dataclass(frozen=True, slots=True)
class Rule:
    """A code and what to say after the name of what was called."""

    code: str
    says: str

    @classmethod
    def of(cls, code: str, says: str | None = None) -> Rule:
        """With the code's own words, where there are no better ones."""
        return cls(code, says or _SAYS[code])


def _rules() -> dict[str, Rule]:
    exact: dict[str, Rule] = {}

    def add(code: str, names: str, says: str | None = None) -> None:
        exact.update((name, Rule.of(code, says)) for name in names.split())

    add(
        CLOCK,
        "datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today "
        "datetime.date.today time.time time.time_ns time.monotonic time.monotonic_ns "
        "time.perf_counter time.perf_counter_ns time.process_time time.thread_time "
        "pendulum.now pendulum.today arrow.now arrow.utcnow django.utils.timezone.now "
        "pandas.Timestamp.now pandas.Timestamp.today pandas.Timestamp.utcnow",
    )
    add(SLEEP, "time.sleep asyncio.sleep trio.sleep anyio.sleep gevent.sleep")
    add(RANDOM, "uuid.uuid1 uuid.uuid4 uuid.uuid6 uuid.uuid7", _UUID)
    add(RANDOM, "builtins.hash builtins.id", _HASH)
    add(RANDOM, "os.urandom os.getrandom")
    add(
        IO,
        "builtins.open builtins.input io.open codecs.open os.open os.popen os.system os.listdir "
        "os.scandir os.walk os.mkdir os.makedirs os.remove os.unlink os.rename os.replace os.stat "
        "os.rmdir glob.glob glob.iglob os.path.exists os.path.isfile os.path.isdir "
        "os.path.getsize os.path.getmtime fileinput.input",
    )
    add(ENVIRONMENT, "os.getenv os.environb os.environ os.getpid os.cpu_count platform.node")
    add(TASKS, "asyncio.gather", _GATHER)
    add(TASKS, "asyncio.wait asyncio.as_completed", _ANY)
    add(TASKS, "asyncio.wait_for asyncio.timeout asyncio.timeout_at", _TIMEOUT)
    add(TASKS, "os.fork")
    return exact


EXACT = _rules()

_MODULES: tuple[tuple[str, Rule], ...] = (
    ("random", Rule.of(RANDOM)),
    ("secrets", Rule.of(RANDOM)),
    ("numpy.random", Rule.of(RANDOM)),
    ("asyncio", Rule.of(TASKS)),
    ("threading", Rule.of(TASKS)),
    ("_thread", Rule.of(TASKS)),
    ("multiprocessing", Rule.of(TASKS)),
    ("concurrent.futures", Rule.of(TASKS)),
    ("anyio", Rule.of(TASKS)),
    ("trio", Rule.of(TASKS)),
    *((name, Rule.of(IO, _HTTP)) for name in ("requests", "httpx", "aiohttp", "urllib3")),
    *((name, Rule.of(IO, _HTTP)) for name in ("urllib.request", "http.client")),
    *(
        (name, Rule.of(IO))
        for name in words(
            "socket subprocess shutil tempfile sqlite3 smtplib ftplib imaplib poplib aiofiles "
            "psycopg psycopg2 asyncpg pymysql aiomysql pyodbc pymongo motor redis boto3 "
            "botocore aioboto3 paramiko sqlalchemy.create_engine sqlalchemy.orm.Session "
            "elasticsearch openai anthropic google.cloud stripe sendgrid twilio"
        )
    ),
)
_HARMLESS = re.compile(
    r"(?:^|\.)(?:exceptions|errors)\.|(?:Error|Exception|Warning|Timeout)$|^asyncio\.is[a-z]+$"
)
_AZURE_CLIENT = re.compile(
    r"^azure\.(?!functions\b|durable_functions\b)(.*\.)?\w*(Client|Credential)\b"
)
_PATH_IO = words(
    "open read_text read_bytes write_text write_bytes exists is_file is_dir iterdir glob "
    "rglob mkdir unlink rename replace touch stat rmdir cwd home resolve"
)
_OF_NOW = {"localtime": 0, "gmtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}
"""Functions of `time` that take the time of the clock where so many arguments are all."""
_SEEDED = frozenset({"random.Random", "numpy.random.default_rng", "numpy.random.RandomState"})


def rule_of(name: str, call: ast.Call | None = None) -> Rule | None:
    """What speaks against using that; `call` where it is called."""
    if (found := EXACT.get(name)) is not None:
        return found
    if call is None:
        return None
    if name in _SEEDED and (call.args or call.keywords):
        return None
    head, _, method = name.rpartition(".")
    if head == "time" and len(call.args) <= _OF_NOW.get(method, -1):
        return Rule.of(CLOCK)
    if head in ("pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath"):
        return Rule.of(IO) if method in _PATH_IO else None
    if _HARMLESS.search(name) or head in _SEEDED:
        return None
    if _AZURE_CLIENT.match(name):
        return Rule.of(IO)
    for module, rule in _MODULES:
        if name == module or name.startswith(f"{module}."):
            return rule
    return None
