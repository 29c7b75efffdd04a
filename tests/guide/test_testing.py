"""docs/guide/testing.md"""

from __future__ import annotations

import asyncio
import inspect

from tests.guide.pages import GUIDE, Page


def test_the_page() -> None:
    page = Page(GUIDE / "testing.md")
    page.load({})
    try:
        tests = [value for name, value in page.names.items() if name.startswith("test_")]
        for test in tests:
            if inspect.iscoroutinefunction(test):
                asyncio.run(test())
            else:
                test()
        assert len(tests) == 8
        assert page.missing() == []
    finally:
        page.unload()
