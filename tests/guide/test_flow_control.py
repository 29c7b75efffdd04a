"""docs/guide/flow-control.md"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.guide.running import Guide


class Till:
    """What the activities of the page use, and in which order."""

    def __init__(self) -> None:
        self.done: list[object] = []

    def take(self, cents: int) -> int:
        self.done.append(cents)
        return cents

    def resize(self, image: str) -> str:
        self.done.append(image)
        return f"small {image}"


async def test_the_page() -> None:
    till = Till()
    printers = SimpleNamespace(send=lambda label: f"printed {label}")
    maps = SimpleNamespace(find=lambda address: f"near {address}")
    given: dict[str, Any] = {"printers": printers, "maps": maps, "bank": till, "studio": till}
    async with Guide("flow-control", **given) as guide:

        @guide.orchestrator
        async def one(context: object) -> object:
            name, value = context.get_input()  # type: ignore[attr-defined]
            return await context.call_activity(name, value)  # type: ignore[attr-defined]

        assert await guide.outcome("one", ["print_label", "a"]) == "printed a"
        assert await guide.outcome("one", ["look_up", "b"]) == "near b"
        assert await guide.outcome("bill", ["Ada", 7]) == 7
        assert await guide.outcome("show_avatar", "ada") == "small ada"
        images = [f"image-{number}" for number in range(120)]
        assert await guide.outcome("resize_all", images) == [f"small {each}" for each in images]
        bills = [["Ada", 1], ["Ada", 2], ["Bob", 3]]
        assert await guide.outcome("bill_all", bills) == [1, 2, 3]
        assert sorted(till.done[-3:], key=str) == [1, 2, 3]
