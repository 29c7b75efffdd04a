"""Settings come from where the Functions host takes them, and a wrong one says how to mend it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable.errors import ConfigurationError
from durable.model.retention import Retention
from durable.settings import (
    HttpSettings,
    PollingSettings,
    QueueSettings,
    Settings,
    TracingSettings,
    VersioningSettings,
    load_settings,
)
from durable.settings.files import _plain

CPUS = os.cpu_count() or 1


class Folder:
    """A function app's folder whose files a test writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, host: Any = None, local: Any = None) -> None:
        for name, content in (("host.json", host), ("local.settings.json", local)):
            if content is not None:
                text = content if isinstance(content, str) else json.dumps(content)
                (self.path / name).write_text(text, encoding="utf-8")

    def load(
        self,
        host: Any = None,
        environ: Mapping[str, str] | None = None,
        *,
        values: Any = None,
        local: bool = True,
    ) -> Settings:
        self.write(host or {"version": "2.0"}, None if values is None else {"Values": values})
        return load_settings(self.path, environ or {}, local=local)


@pytest.fixture
def app(tmp_path: Path) -> Folder:
    (tmp_path / "shop").mkdir()
    return Folder(tmp_path / "shop")


def durable(**settings: Any) -> dict[str, Any]:
    return {"version": "2.0", "extensions": {"durableTask": settings}}


def test_defaults(app: Folder) -> None:
    settings = app.load(local=False)
    assert settings == Settings(
        app_name="shop",
        hub="TestHubName",
        hub_expression="TestHubName",
        connection_name="AzureWebJobsStorage",
        control_queues=1,
        polling=PollingSettings(None, 32, 32),
        max_concurrent_activities=10 * CPUS,
        max_concurrent_orchestrators=10 * CPUS,
        max_concurrent_entities=10 * CPUS,
        max_concurrent_processes=CPUS,
        max_attempts=10,
        always_queue=False,
        checkpoint_steps=1,
        calls_per_message=50,
        cached_instances=1000,
        direct_completion=True,
        group_arrivals=True,
        versioning=VersioningSettings(),
        filters=None,
        max_payload=16 * 1024 * 1024,
        function_timeout=timedelta(minutes=30),
        queues=QueueSettings(
            16, 8 * CPUS, 5, timedelta(0), timedelta(minutes=1), message_encoding="base64"
        ),
        http=HttpSettings((), 16 * 1024 * 1024, timedelta(seconds=100), timedelta(seconds=30)),
        tracing=TracingSettings(enabled=True, payloads=False),
        retention=Retention(),
        route_prefix="api",
        base_url=None,
        website_hostname=None,
        storage_client="lean",
        link_lifetime=timedelta(days=30),
        allow_anonymous_management=False,
        local_http_port=None,
        cors=(),
        warnings=(),
        values={},
    )


def test_everything_set(app: Folder) -> None:
    app.write(
        {
            "version": "2.0",
            "logging": {"logLevel": {"default": "Warning"}},
            "functionTimeout": "1.02:03:04",
            "extensions": {
                "durableTask": {
                    "hubName": "Orders2",
                    "maxConcurrentActivityFunctions": 7,
                    "maxConcurrentOrchestratorFunctions": "3",
                    "maxAttempts": 4,
                    "alwaysQueueActivities": True,
                    "checkpointSteps": 5,
                    "callsPerMessage": "1",
                    "cachedInstances": 0,
                    "directCompletion": False,
                    "groupArrivals": "false",
                    "maxPayloadBytes": 2048,
                    "linkLifetimeDays": 0.5,
                    "storageProvider": {
                        "type": "AzureStorage",
                        "partitionCount": 16,
                        "connectionStringName": "Money",
                        "maxQueuePollingInterval": "00:00:05",
                        "controlQueueBatchSize": "8",
                        "workItemQueueBatchSize": 1,
                    },
                    "tracing": {
                        "distributedTracingEnabled": False,
                        "traceInputsAndOutputs": "true",
                        "whatever": [1],
                    },
                },
                "http": {"routePrefix": "/v1/shop/"},
                "queues": {
                    "batchSize": 5,
                    "newBatchThreshold": 0,
                    "maxDequeueCount": 9,
                    "visibilityTimeout": "00:00:30",
                    "maxPollingInterval": "00:00:00.1500000",
                    "messageEncoding": "None",
                },
            },
        },
        {
            "IsEncrypted": False,
            "Values": {
                "DURABLE_APP_NAME": "till",
                "DURABLE_BASE_URL": "https://pay.example.com/a/",
                "DURABLE_MANAGEMENT_ANONYMOUS": True,
                "WEBSITE_HOSTNAME": "pay.azurewebsites.net",
                "N": 3,
                "Nothing": None,
            },
            "Host": {"LocalHttpPort": 7072, "CORS": "http://a, http://b", "CORSCredentials": True},
        },
    )
    settings = load_settings(app.path, {}, local=True)
    assert (settings.app_name, settings.hub, settings.connection_name) == (
        "till",
        "Orders2",
        "Money",
    )
    assert settings.control_queues == 16
    assert settings.polling == PollingSettings(timedelta(seconds=5), 8, 1)
    assert (settings.max_concurrent_activities, settings.max_concurrent_orchestrators) == (7, 3)
    assert (settings.max_attempts, settings.max_payload) == (4, 2048)
    assert settings.always_queue is True
    assert (settings.checkpoint_steps, settings.calls_per_message) == (5, 1)
    assert settings.cached_instances == 0
    assert (settings.direct_completion, settings.group_arrivals) == (False, False)
    assert settings.tracing == TracingSettings(enabled=False, payloads=True)
    assert settings.link_lifetime == timedelta(hours=12)
    assert settings.function_timeout == timedelta(days=1, hours=2, minutes=3, seconds=4)
    assert settings.route_prefix == "v1/shop"
    assert settings.queues == QueueSettings(
        5, 0, 9, timedelta(seconds=30), timedelta(seconds=0.15), message_encoding="none"
    )
    assert settings.message_encoding == "none"
    assert settings.base_url == "https://pay.example.com/a"
    assert settings.website_hostname == "pay.azurewebsites.net"
    assert settings.allow_anonymous_management is True
    assert (settings.local_http_port, settings.cors) == (7072, ("http://a", "http://b"))
    assert settings.values["N"] == "3"
    assert "Nothing" not in settings.values
    assert settings.warnings == ()


def test_the_environment_wins_over_values(app: Folder) -> None:
    settings = app.load(environ={"A": "env", "b": "env"}, values={"A": "file", "B": "x", "C": "y"})
    assert settings.values == {"A": "env", "b": "env", "C": "y"}
    assert settings.setting("B") == "env"
    assert settings.setting("D") is None


def test_the_process_s_environment_is_the_default(
    app: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURABLE_APP_NAME", "from-env")
    app.write({"version": "2.0"})
    assert load_settings(app.path).app_name == "from-env"


def test_local_settings_are_read_only_when_local(app: Folder) -> None:
    app.write(local="not json")
    assert app.load(local=False).values == {}
    with pytest.raises(ConfigurationError, match=r"local\.settings\.json: is not JSON: .*line 1"):
        app.load()


def test_values_cannot_be_seen_in_a_log(app: Folder) -> None:
    assert "s3cret" not in repr(app.load(environ={"AzureWebJobsStorage": "s3cret"}))


@pytest.mark.parametrize(
    "name",
    [
        "AzureFunctionsJobHost__extensions__durableTask__hubName",
        "AZUREFUNCTIONSJOBHOST__EXTENSIONS__DURABLETASK__HUBNAME",
        "AzureFunctionsJobHost:extensions:durableTask:hubName",
        "azureFunctionsJobHost__extensions:DurableTask__hubname",
    ],
)
@pytest.mark.parametrize("source", ["environ", "values"])
def test_overrides_of_host_json(app: Folder, name: str, source: str) -> None:
    override: Any = {source: {name: "FromEnv"}}
    for host in (durable(hubName="FromFile"), {"version": "2.0"}):
        assert app.load(host, **override).hub == "FromEnv"


def test_overrides_are_text_and_are_blamed_by_name(app: Folder) -> None:
    queue = "AzureFunctionsJobHost__extensions__queues__"
    always = "AzureFunctionsJobHost__extensions__durableTask__alwaysQueueActivities"
    settings = app.load(environ={f"{queue}batchSize": "4", always: "True"})
    assert (settings.queues.batch_size, settings.always_queue) == (4, True)
    with pytest.raises(ConfigurationError, match=f'^setting {queue}batchSize is "40": write a wh'):
        app.load(environ={f"{queue}batchSize": "40"})


def test_names_in_host_json_ignore_case(app: Folder) -> None:
    assert app.load({"Extensions": {"DURABLETASK": {"hubname": "Orders"}}}).hub == "Orders"


def test_placeholders(app: Folder) -> None:
    host = durable(hubName="%TASKHUB%%Suffix%", storageProvider={"connectionName": "%CONN%"})
    settings = app.load(
        host, {"taskhub": "Orders", "CONN": "Money"}, values={"Suffix": "7", "Section__Name": "%x"}
    )
    assert (settings.hub, settings.hub_expression) == ("Orders7", "%TASKHUB%%Suffix%")
    assert settings.connection_name == "Money"
    assert settings.resolve("q-%TaskHub%-%Section:Name%") == "q-Orders-%x"
    assert settings.resolve("plain") == "plain"
    with pytest.raises(ConfigurationError, match=r"^queueName of take is 'q-%NOPE%', .* 'NOPE'"):
        settings.resolve("q-%NOPE%", "queueName of take")
    with pytest.raises(ConfigurationError, match="a % has no partner"):
        settings.resolve("100%")
    with pytest.raises(ConfigurationError, match="no setting ''"):
        settings.resolve("%%")


def test_a_missing_placeholder_names_file_path_and_setting(app: Folder) -> None:
    with pytest.raises(ConfigurationError) as caught:
        app.load(durable(hubName="%TASKHUB%"))
    message = str(caught.value)
    assert str(app.path.resolve() / "host.json") in message
    assert "extensions.durableTask.hubName" in message
    assert "'TASKHUB'" in message


@pytest.mark.parametrize(
    ("site", "hub"),
    [
        ("my-shop", "myshop"),
        ("7shop", "t7shop"),
        ("a", "a00"),
        ("x" * 60, "x" * 40),
        ("---", "t00"),
    ],
)
def test_the_default_hub_is_the_site(app: Folder, site: str, hub: str) -> None:
    settings = app.load(environ={"WEBSITE_SITE_NAME": site, "WEBSITE_SLOT_NAME": "Production"})
    assert (settings.hub, settings.hub_expression, settings.app_name) == (hub, hub, site)


def test_a_deployment_slot_must_name_its_hub(app: Folder) -> None:
    slot = {"WEBSITE_SITE_NAME": "shop", "WEBSITE_SLOT_NAME": "staging"}
    with pytest.raises(ConfigurationError, match="deployment slot 'staging'"):
        app.load(environ=slot)
    assert app.load(durable(hubName="%H%"), slot | {"H": "StagingHub"}).hub == "StagingHub"


@pytest.mark.parametrize("kind", ["netherite", "MsSql", "azureManaged"])
def test_other_backends_are_answered_with_a_warning(app: Folder, kind: str) -> None:
    provider = {"type": kind, "connectionStringName": "Other", "partitionCount": 4}
    settings = app.load(durable(storageProvider=provider))
    assert settings.connection_name == "AzureWebJobsStorage"
    (warning,) = settings.warnings
    assert "extensions.durableTask.storageProvider.type" in warning
    assert kind in warning


def test_without_host_json(app: Folder) -> None:
    settings = load_settings(app.path, {})
    assert settings.hub == "TestHubName"
    (warning,) = settings.warnings
    assert "host.json: is not there" in warning
    with pytest.raises(ConfigurationError, match="is not a folder"):
        load_settings(app.path / "nowhere", {})


def test_polling_is_quicker_in_development(app: Folder) -> None:
    def interval(environ: dict[str, str], *, local: bool) -> float:
        return app.load(environ=environ, local=local).queues.max_polling_interval.total_seconds()

    assert interval({}, local=True) == 2
    assert interval({}, local=False) == 60
    assert interval({"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}, local=False) == 2


def test_a_function_without_a_time_limit(app: Folder) -> None:
    assert app.load({"functionTimeout": "-1"}).function_timeout is None
    assert app.load({"functionTimeout": None}).function_timeout == timedelta(minutes=30)


@pytest.mark.parametrize("client", ["lean", "sdk"])
def test_the_storage_client_is_a_setting(app: Folder, client: str) -> None:
    settings = app.load(durable(), {"DURABLE_STORAGE_CLIENT": client.upper()})
    assert settings.storage_client == client


def test_a_setting_for_links_wins_over_host_json(app: Folder) -> None:
    settings = app.load(durable(linkLifetimeDays=2), {"DURABLE_LINK_LIFETIME_DAYS": "7"})
    assert settings.link_lifetime == timedelta(days=7)


def test_an_empty_setting_is_none(app: Folder) -> None:
    empty = dict.fromkeys(("DURABLE_APP_NAME", "DURABLE_BASE_URL", "WEBSITE_HOSTNAME"), "")
    settings = app.load(environ=empty)
    assert (settings.app_name, settings.base_url, settings.website_hostname) == ("shop", None, None)


def test_what_durable_http_may_do(app: Folder) -> None:
    http = {
        "allowedPrivateTargets": ["Localhost", "10.1.0.0/16", " fd00::/8 ", "mock_1.internal", ""],
        "maxResponseBytes": 1000,
        "requestTimeout": "00:00:05",
        "defaultAsyncRequestSleepTimeMilliseconds": 500,
    }
    found = app.load(durable(http=http, maxPayloadBytes=2048)).http
    assert found == HttpSettings(
        ("localhost", "10.1.0.0/16", "fd00::/8", "mock_1.internal"),
        1000,
        timedelta(seconds=5),
        timedelta(seconds=0.5),
    )
    assert app.load(durable(maxPayloadBytes=2048)).http.max_response == 2048
    one = {"DURABLE_HTTP_ALLOWED_PRIVATE_TARGETS": "*"}
    assert app.load(durable(http=http), one).http.allowed_private_targets == ("*",)
    override = "AzureFunctionsJobHost__extensions__durableTask__http__allowedPrivateTargets"
    two = app.load(durable(http=http), {override: "127.0.0.1,LOCALHOST"})
    assert two.http.allowed_private_targets == ("127.0.0.1", "localhost")


LENIENT = """\ufeff// the hub
{
  "version": "2.0", /* two
  lines */
  "extensions": {"durableTask": {
    "hubName": "Orders", // here
    "x": "http://a/*b*/,}\\"//", "list": [1, 2, /* end */ ],
  }, },
}
"""


def test_comments_and_trailing_commas(app: Folder) -> None:
    assert app.load(LENIENT).hub == "Orders"
    plain = json.loads(_plain(LENIENT.removeprefix("\ufeff")))
    assert plain["extensions"]["durableTask"]["x"] == 'http://a/*b*/,}"//'
    with pytest.raises(ConfigurationError, match=r"host\.json: is not JSON: .*line 3 column 1 "):
        app.load("// one\n/* two */ {\n]")


@given(
    st.recursive(st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_strict_json_is_left_as_it_is(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert _plain(text) == text


@given(st.text(alphabet='"\\/*,]}{[ \n1'))
def test_no_text_is_too_strange_for_the_comment_remover(text: str) -> None:
    plain = _plain(text)
    assert len(plain) == len(text)
    assert plain.count("\n") == text.count("\n")


HOST_FAULTS: list[tuple[Any, str]] = [
    ("[]", r"host\.json: must be a JSON object"),
    ("{", r"host\.json: is not JSON"),
    ('{"a": /* }', r"host\.json: is not JSON"),
    ({"extensions": []}, r"host\.json: extensions is \[\]: must be an object"),
    ({"extensions": {"durableTask": "x"}}, r"extensions\.durableTask is \"x\": must be an object"),
    (durable(hubName="ab"), r"durableTask\.hubName is \"ab\": a hub's name is 3 to 40 letters"),
    (durable(hubName="a" * 41), "hub's name"),
    (durable(hubName="1abc"), "hub's name"),
    (durable(hubName="my-hub"), "hub's name"),
    (durable(hubName="hübchen"), "hub's name"),
    (durable(hubName="hub1\n"), "hub's name"),
    (durable(hubName=5), r"hubName is 5: write a string"),
    (durable(maxConcurrentActivityFunctions=0), "is 0: write a whole number from 1 to"),
    (durable(maxConcurrentOrchestratorFunctions="many"), 'is "many": write a whole number'),
    (durable(maxConcurrentProcesses=0), "is 0: write a whole number from 1 to"),
    (durable(maxAttempts=True), "maxAttempts is true: write a whole number"),
    (durable(maxAttempts=1.5), "maxAttempts is 1.5: write a whole number"),
    (durable(maxPayloadBytes=10), "maxPayloadBytes is 10: write a whole number from 1024"),
    (durable(alwaysQueueActivities="often"), 'is "often": write true or false'),
    (durable(checkpointSteps=0), "checkpointSteps is 0: write a whole number from 1 to 100"),
    (durable(checkpointSteps="all"), 'checkpointSteps is "all": write a whole number'),
    (durable(callsPerMessage=51), "callsPerMessage is 51: write a whole number from 1 to 50"),
    (durable(callsPerMessage=False), "callsPerMessage is false: write a whole number"),
    (durable(cachedInstances=-1), "cachedInstances is -1: write a whole number from 0"),
    (durable(directCompletion=2), "directCompletion is 2: write true or false"),
    (durable(groupArrivals="x"), 'groupArrivals is "x": write true or false'),
    (durable(linkLifetimeDays=0), "linkLifetimeDays is 0: write a number of days above 0"),
    (durable(linkLifetimeDays=[]), "write a number of days"),
    (durable(storageProvider=7), r"storageProvider is 7: must be an object"),
    (durable(storageProvider={"partitionCount": 17}), "is 17: write a whole number from 1 to 16"),
    (durable(storageProvider={"maxQueuePollingInterval": 5}), r'Interval is 5: write "hh:mm:ss"'),
    (durable(storageProvider={"maxQueuePollingInterval": "00:00:00"}), "from 0:00:00.100000 to 1 "),
    (durable(storageProvider={"maxQueuePollingInterval": "often"}), 'is "often": write "hh:mm:ss"'),
    (durable(storageProvider={"controlQueueBatchSize": 0}), "BatchSize is 0: write a whole number"),
    (durable(storageProvider={"controlQueueBatchSize": 33}), "BatchSize is 33: .* from 1 to 32"),
    (durable(storageProvider={"workItemQueueBatchSize": True}), "workItemQueueBatchSize is true"),
    (durable(storageProvider={"type": "redis"}), 'type is "redis": write "AzureStorage"'),
    (durable(storageProvider={"connectionName": "a=b;c"}), "write the name of the setting"),
    (durable(http=5), r"durableTask\.http is 5: must be an object"),
    (durable(http={"allowedPrivateTargets": 7}), "is 7: write a list of strings"),
    (durable(http={"allowedPrivateTargets": ["a", 7]}), "write a list of strings"),
    (durable(http={"allowedPrivateTargets": "a, http://b"}), "write a list .*'http://b' is none"),
    (durable(http={"allowedPrivateTargets": ["10.1.2.3/16"]}), "'10.1.2.3/16' is none"),
    (durable(http={"allowedPrivateTargets": ["*.example.com"]}), "is none"),
    (durable(http={"maxResponseBytes": 2**24 + 1}), "from 1 to 16777216"),
    (durable(http={"requestTimeout": "00:00:00"}), "from 0:00:01 to 1 day"),
    (durable(http={"defaultAsyncRequestSleepTimeMilliseconds": 0}), "is 0: write a whole number"),
    ({"functionTimeout": 30}, 'functionTimeout is 30: write "hh:mm:ss"'),
    ({"functionTimeout": "00:60:00"}, 'write "hh:mm:ss"'),
    ({"functionTimeout": "24:00:00"}, 'write "hh:mm:ss"'),
    ({"functionTimeout": "-00:00:01"}, "from 0:00:01 to"),
    ({"extensions": {"http": {"routePrefix": "a?b"}}}, 'routePrefix is "a[?]b": write path'),
    ({"extensions": {"http": {"routePrefix": "{x}"}}}, "write path segments"),
    ({"extensions": {"queues": {"batchSize": 33}}}, "batchSize is 33: .* from 1 to 32"),
    ({"extensions": {"queues": {"newBatchThreshold": -1}}}, "newBatchThreshold is -1"),
    ({"extensions": {"queues": {"maxDequeueCount": 0}}}, "maxDequeueCount is 0"),
    ({"extensions": {"queues": {"visibilityTimeout": "8.00:00:00"}}}, "from 0:00:00 to 7 days"),
    ({"extensions": {"queues": {"maxPollingInterval": "00:00:00.05"}}}, "from 0:00:00.100000"),
    ({"extensions": {"queues": {"messageEncoding": "utf8"}}}, 'write "base64" or "none"'),
    ({"extensions": {"queues": {"messageEncoding": 1}}}, "write a string"),
]


@pytest.mark.parametrize(("host", "message"), HOST_FAULTS)
def test_faults_in_host_json(app: Folder, host: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        app.load(host)
    assert str(app.path.resolve() / "host.json") in str(caught.value)


@pytest.mark.parametrize(
    ("local", "message"),
    [
        ({"IsEncrypted": True, "Values": {}}, "IsEncrypted is true.*func settings decrypt"),
        ({"Values": []}, "Values must be an object"),
        ({"Values": {"A": {"b": 1}}}, r"Values\.A must be a string"),
        ({"Host": "x"}, 'Host is "x": write an object'),
        ({"Host": {"LocalHttpPort": 70000}}, r"Host\.LocalHttpPort is 70000: .* to 65535"),
        ({"Host": {"CORS": ["*"]}}, r"Host\.CORS is .*: write a string"),
    ],
)
def test_faults_in_local_settings(app: Folder, local: Any, message: str) -> None:
    app.write({"version": "2.0"}, local)
    with pytest.raises(ConfigurationError, match=rf"local\.settings\.json: .*{message}"):
        load_settings(app.path, {}, local=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DURABLE_BASE_URL", "pay.example.com"),
        ("DURABLE_BASE_URL", "ftp://pay.example.com"),
        ("DURABLE_BASE_URL", "https://pay.example.com/?a=b"),
        ("DURABLE_BASE_URL", "https://user:word@pay.example.com"),
        ("DURABLE_BASE_URL", "https://a:99999"),
        ("DURABLE_BASE_URL", "https://"),
        ("DURABLE_MANAGEMENT_ANONYMOUS", "perhaps"),
        ("DURABLE_STORAGE_CLIENT", "fast"),
        ("DURABLE_LINK_LIFETIME_DAYS", "nan"),
        ("DURABLE_LINK_LIFETIME_DAYS", "-1"),
        ("DURABLE_HTTP_ALLOWED_PRIVATE_TARGETS", "a b"),
    ],
)
def test_faults_in_settings(app: Folder, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=rf'^setting {name} is ".*": write '):
        app.load(environ={name: value})


def test_a_file_that_is_not_text(app: Folder) -> None:
    (app.path / "host.json").write_bytes(b"\xff\xfe{\x00}\x00")
    with pytest.raises(ConfigurationError, match=r"host\.json: cannot be read as UTF-8"):
        load_settings(app.path, {})
