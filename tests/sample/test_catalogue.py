"""The catalogue: an import that hangs or dies goes on where it was, and the seal has a process."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import durable as df
from durable.testing import TestHub
from function_app import app
from tests.sample.driver import Instance

CATALOGUE = {"supplier": "Acme", "pages": 10, "rounds": 3}


def seal(text: str, rounds: int) -> str:
    digest = text.encode()
    for _ in range(rounds):
        digest = sha256(digest).digest()
    return digest.hex()


def test_pages_come_first_and_then_the_seal() -> None:
    catalogue = Instance(
        "import_catalogue", CATALOGUE, {"take_over_pages": lambda _: 10, "seal_catalogue": str}
    )
    catalogue.run()
    assert catalogue.names == ["take_over_pages", "seal_catalogue"]
    assert catalogue.output["pages"] == 10
    assert catalogue.survives_a_crash_before_any_turn()


async def test_an_import_that_hangs_and_one_that_dies() -> None:
    async with TestHub(app) as hub:
        begun: list[int] = []

        async def hangs_then_dies(_: object) -> int:
            context = df.activity_context()
            taken_over = context.heartbeat_details(int) or 0
            begun.append(taken_over)
            for page in range(taken_over + 1, 11):
                await hub.advance(20)
                context.heartbeat(page)
                if page == 4:
                    await context.cancelled()
                if page == 7:
                    await hub.advance(10)
                    hub.crash()
            return 10

        hub.replace("take_over_pages", hangs_then_dies)
        before = hub.now
        result = await hub.run("import_catalogue", CATALOGUE)
        assert result == {"pages": 10, "seal": seal("Acme", 3)}
        assert begun == [0, 4, 7]
        assert [call.attempt for call in hub.calls("take_over_pages")] == [1, 2, 2]
        assert hub.now - before < timedelta(minutes=8)
