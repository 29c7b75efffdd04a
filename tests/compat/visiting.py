"""Apps as strangers write them, run on the memory hub and called as a host calls them."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import azure.functions as func

from durable.host import DurableApp, DurableHost
from tests.compat.running import aliased
from tests.memory_hub import MemoryHub


class Links:
    """Links of a form that tests can read."""

    def payload(self, instance_id: str) -> dict[str, str]:
        return {"id": instance_id, "statusQueryGetUri": f"http://links/{instance_id}"}


class Visit:
    """An app that runs: its module, its hub, and its functions by the names that a host knows."""

    def __init__(self, module: ModuleType, hub: MemoryHub, functions: Mapping[str, Any]) -> None:
        self.module, self.hub, self.functions = module, hub, functions

    async def call(self, function: str, /, **arguments: Any) -> Any:
        """What a function returns, while things happen: it may wait for the clock."""
        code = self.functions[function].get_user_function()
        called = asyncio.ensure_future(code(**arguments))
        while not called.done():
            await self.hub.run(0.1)
        return await called

    async def http(
        self,
        function: str,
        /,
        body: object = None,
        params: Mapping[str, str] | None = None,
        **route: str,
    ) -> tuple[int, Any]:
        """The status of an HTTP function's answer, and its body: JSON, else text."""
        request = func.HttpRequest(
            "POST",
            f"http://localhost/api/{function}",
            params=params,
            route_params=route,
            body=b"" if body is None else json.dumps(body).encode(),
        )
        answer = await self.call(function, req=request)
        text = answer.get_body().decode()
        try:
            return answer.status_code, json.loads(text)
        except ValueError:
            return answer.status_code, text


@asynccontextmanager
async def visiting(name: str, folder: Path) -> AsyncIterator[Visit]:
    """An app of `apps/`, imported anew, indexed, and running on a hub of its own."""
    module_name = f"tests.compat.apps.{name}"
    (folder / "host.json").write_text('{"version": "2.0"}')
    with aliased():
        sys.modules.pop(module_name, None)
        try:
            module: Any = importlib.import_module(module_name)
            app = getattr(module, "app", None) or module.myApp
            durable = vars(app).setdefault("durable", DurableApp())
            durable.folder = folder
            functions = {each.get_function_name(): each for each in app.get_functions()}
            hub = MemoryHub()
            hub.registry = durable.registry
            async with hub:
                hub.client._links = cast(Any, Links())
                durable.attach(cast(DurableHost, SimpleNamespace(client=hub.client)))
                yield Visit(module, hub, functions)
        finally:
            sys.modules.pop(module_name, None)
