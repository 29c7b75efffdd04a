"""The chain that a tutorial starts with."""

from __future__ import annotations

from tests.sample.driver import Instance


def test_greets_in_order_and_rests_between() -> None:
    hello = Instance("say_hellos", None, {"say_hello": lambda city: f"Hello {city}!"})
    hello.run()
    assert [city for _, city in hello.calls] == ["Tokyo"]
    hello.advance(seconds=1)
    assert [city for _, city in hello.calls] == ["Tokyo", "Seattle"]
    hello.advance(seconds=2)
    assert hello.output == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
    assert hello.survives_a_crash_before_any_turn()


def test_tries_again() -> None:
    failures = [ConnectionError("down"), ConnectionError("down")]

    def say_hello(city: str) -> str:
        if failures:
            raise failures.pop()
        return f"Hello {city}!"

    hello = Instance("say_hellos", ["Oslo"], {"say_hello": say_hello})
    hello.run()
    hello.advance(seconds=10)
    assert hello.output == ["Hello Oslo!"]
