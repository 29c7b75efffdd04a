"""Orchestrators in every style, and helpers wherever they are."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from durable.checking import Checked, check
from durable.errors import InvalidRequestError
from tests.guide.pages import GUIDE, ROOT, Page

STYLES = {
    "app": """
        import time, azure.durable_functions as df, azure.functions as func
        app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
        @app.orchestration_trigger(context_name="context")
        def main(context):
            yield context.create_timer(time.time())
        """,
    "blueprint with a name": """
        import time, durable as df
        bp = df.Blueprint()
        @bp.function_name("another")
        @bp.orchestration_trigger(context_name="context", orchestration="other")
        async def main(context):
            time.time()
        """,
    "2.x": """
        import time, azure.durable_functions as df
        app = df.DFApp()
        @app.orchestration_trigger(context_name="context")
        def main(context, order):
            yield context.call_activity("a", input=time.time())
        """,
    "a file per function": """
        import time, azure.durable_functions as df
        def orchestrator_function(context: df.DurableOrchestrationContext):
            time.time()
            return (yield context.call_activity("a"))
        main = df.Orchestrator.create(orchestrator_function)
        """,
    "created under its own name": """
        import time, azure.durable_functions as df
        def main(context):
            yield context.call_activity("a", time.time())
        main = df.Orchestrator.create(main)
        """,
    "created without annotations": """
        import time
        from azure.durable_functions import Orchestrator
        def steps(context):
            yield context.call_activity("a", time.time())
        main = Orchestrator.create(steps)
        """,
    "durabletask": """
        import time
        from durabletask.worker import TaskHubGrpcWorker
        def main(ctx, _):
            yield ctx.call_activity("a", input=time.time())
        with TaskHubGrpcWorker() as w:
            w.add_orchestrator(main)
        """,
    "a registry": """
        import time
        from durable.model.functions import OrchestratorDefinition
        async def main(context):
            time.time()
        DEFINITION = OrchestratorDefinition("main", main)
        """,
    "a hub of tests": """
        import time
        def test_it(hub):
            @hub.orchestrator
            async def main(context):
                time.time()
        """,
    "a part of one": """
        import time
        import durable as df
        async def part(context: "df.DurableOrchestrationContext", value: int):
            time.time()
        """,
}


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    return folder


def codes(checked: Checked) -> list[str]:
    return [each.code for each in checked.findings]


@pytest.mark.parametrize("style", STYLES)
def test_each_style(tmp_path: Path, style: str) -> None:
    assert codes(check([written(tmp_path, app=STYLES[style])], tmp_path)) == ["DUR101"]


def test_what_a_class_fills_in(tmp_path: Path) -> None:
    text = """
        import time, uuid, durable as df
        from dataclasses import dataclass, field
        app = df.DFApp()
        def stamp():
            return time.time()
        @dataclass
        class Event:
            name: str
            id: str = field(default_factory=lambda: str(uuid.uuid4()))
            tags: list[str] = field(default_factory=list)
            at: float = field(default_factory=time.time)
            seen: float = field(default_factory=stamp)
        @app.orchestration_trigger(context_name="context")
        async def orchestrate(context):
            Event("a", "1", [], 1.0, 2.0)
            Event(**context.get_input())
            Event(*context.get_input())
            made = Event("a", at=1.0, seen=1.0), Event("a", "b", seen=1.0)
            return made, Event("a", "b", at=1.0)
        """
    found = check([written(tmp_path, app=text)], tmp_path).findings
    assert [(each.line, each.code, each.message.partition(",")[0]) for each in found] == [
        (5, "DUR101", "`time.time()` reads the clock"),
        (18, "DUR103", "`Event()` fills `id` by `uuid.uuid4()`"),
        (18, "DUR101", "`Event()` fills `at` by `time.time()`"),
    ]


def test_the_methods_of_an_instance(tmp_path: Path) -> None:
    text = """
        import time, durable as df
        app = df.DFApp()
        class Steps:
            def __init__(self, context):
                self.context = context
            async def run(self):
                return self._stamp(), self.of_class(), self.given(time)
            def _stamp(self):
                return time.time()
            @classmethod
            def of_class(cls):
                return cls.static(cls)
            @staticmethod
            def static(cls):
                cls.not_reached()
                return time.monotonic()
            def not_reached(self):
                return time.time_ns()
            def given(self, time):
                return time.time()
        @app.orchestration_trigger(context_name="context")
        async def orchestrate(context):
            return await Steps(context).run()
        """
    found = check([written(tmp_path, app=text)], tmp_path).findings
    assert [(each.line, each.via[-1].callee) for each in found] == [
        (9, "Steps._stamp"),
        (16, "Steps.static"),
    ]


def test_activities_entities_and_starters_may(tmp_path: Path) -> None:
    text = """
        import time, durable as df
        app = df.DFApp()
        def helper():
            return time.time()
        @app.activity_trigger(input_name="x")
        def act(x):
            return helper()
        @app.entity_trigger(context_name="context")
        def entity(context):
            context.set_state(helper())
        @app.route(route="start")
        @app.durable_client_input(client_name="client")
        async def start(req, client):
            return helper()
        @app.orchestration_trigger(context_name="context")
        async def orchestrate(context):
            return await context.call_activity(act, "x")
        """
    checked = check([written(tmp_path, app=text)], tmp_path)
    assert (checked.ok, checked.orchestrators, checked.files) == (True, 1, 1)


APP = """
import durable as df
from flows import steps
from flows.deep import later as much_later
app = df.DFApp()

@app.orchestration_trigger(context_name="context")
async def orchestrate(context):
    await steps.first(context)
    return much_later()
"""


def test_helpers_over_modules_with_the_way_there(tmp_path: Path) -> None:
    written(
        tmp_path,
        function_app=APP,
        flows____init__="",
        flows__steps="""
            from .deep import stamp
            async def first(context):
                return Maker().make(stamp)
            class Base:
                def make(self, value):
                    return self.value()
                def value(self):
                    return stamp()
            class Maker(Base):
                pass
            """,
        flows__deep="""
            import datetime
            def stamp():
                return datetime.datetime.now()
            def later():
                return stamp()
            """,
    )
    for target in (tmp_path, tmp_path / "function_app.py", "function_app:app", "function_app"):
        (found,) = check([target], tmp_path).findings
        assert (found.path, found.line, found.code) == ("flows/deep.py", 3, "DUR101")
    assert found.text.endswith(
        " [orchestrate -> first (function_app.py:8) -> Base.make (flows/steps.py:3)"
        " -> Base.value (flows/steps.py:6) -> stamp (flows/steps.py:8)]"
    )
    assert [step.callee for step in found.via] == ["first", "Base.make", "Base.value", "stamp"]


def test_names_that_come_by_a_star(tmp_path: Path) -> None:
    written(
        tmp_path,
        function_app="""
            import durable as df, flows, only
            from flows import *
            from time import *
            app = df.DFApp()
            @app.orchestration_trigger(context_name="context")
            async def orchestrate(context):
                first()
                flows.second()
                sleep(1)
                only.open("x")
                return input(count) and _hidden()
            """,
        flows__steps="""
            import random, uuid
            count = 0
            def first():
                return random.random()
            def second():
                return uuid.uuid4()
            def tick():
                global count
                count += 1
            def _hidden():
                return random.random()
            def input(text):
                return text
            """,
        only="from flows.steps import *",
    )
    (tmp_path / "flows" / "__init__.py").write_text("from .steps import *\n")
    for target in (tmp_path, "function_app"):
        found = check([target], tmp_path).findings
        assert [(each.path, each.line, each.code) for each in found] == [
            ("flows/steps.py", 4, "DUR103"),
            ("flows/steps.py", 6, "DUR103"),
            ("function_app.py", 9, "DUR102"),
            ("function_app.py", 11, "DUR108"),
        ]


def test_the_properties_of_an_instance(tmp_path: Path) -> None:
    text = """
        import functools, time, durable as df
        app = df.DFApp()
        class Base:
            @functools.cached_property
            def stamp(self):
                return time.time()
        class Order(Base):
            @property
            def age(self):
                return 1 + self.stamp
            @property
            def unused(self):
                return time.time()
            def method(self):
                return time.time()
        @app.orchestration_trigger(context_name="context")
        async def orchestrate(context):
            order = Order()
            order.unused = order.method
            return order.age
        """
    (found,) = check([written(tmp_path, app=text)], tmp_path).findings
    assert (found.line, [step.callee for step in found.via]) == (6, ["Order.age", "Base.stamp"])


def test_a_helper_is_allowed_where_it_is_called(tmp_path: Path) -> None:
    text = """
        import time, durable as df
        app = df.DFApp()
        def first(): return second()
        def second(): return first() or time.time()
        @app.orchestration_trigger(context_name="context")
        async def orchestrate(context):
            first(){}
            return list(map(second, [1]))
        """
    assert codes(check([written(tmp_path, app=text.format(""))], tmp_path)) == ["DUR101"]
    allowed = written(
        tmp_path, app=text.replace("list(map(second, [1]))", "1").format("  # durable: ignore")
    )
    assert codes(check([allowed], tmp_path)) == []


def test_folders_of_others_are_left_out(tmp_path: Path) -> None:
    bad = STYLES["app"]
    written(tmp_path, app="", venv__lib__a=bad, node_modules__b=bad, **{".hidden__c": bad})
    assert check([tmp_path], tmp_path) == Checked((), 0, 1)


def test_nothing_is_imported(tmp_path: Path) -> None:
    written(tmp_path, app=f"raise SystemExit('imported')\n{textwrap.dedent(STYLES['app'])}")
    assert codes(check([tmp_path], tmp_path)) == ["DUR101"]


@pytest.mark.parametrize("target", ["absent", "absent.py", "absent:app"])
def test_what_is_not_there(tmp_path: Path, target: str) -> None:
    with pytest.raises(InvalidRequestError, match="there is no"):
        check([target], tmp_path)


def test_what_is_no_python(tmp_path: Path) -> None:
    written(tmp_path, app="def (:")
    with pytest.raises(InvalidRequestError, match=r"app\.py cannot be read"):
        check([tmp_path], tmp_path)


def test_code_that_is_known_to_replay_is_clean() -> None:
    for target in ("function_app.py", "orchestrators", "tests/patterns/apps", "tests/compat/apps"):
        checked = check([target], ROOT)
        assert checked.orchestrators > 3
        assert checked.findings == ()


def test_the_examples_of_the_guide(tmp_path: Path) -> None:
    for path in GUIDE.glob("*.md"):
        if path.stem != "determinism" and (source := Page(path).source()):
            (tmp_path / f"{path.stem.replace('-', '_')}.py").write_text(source)
    checked = check([tmp_path], tmp_path)
    assert checked.orchestrators > 25
    # the one that is there to fail
    assert [(e.path, e.orchestrator) for e in checked.findings] == [("orchestrators.py", "hasty")]
