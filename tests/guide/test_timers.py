"""docs/guide/timers.md"""

from __future__ import annotations

from durable.model.events import TimerCanceled
from tests.guide.running import Guide, result

DAY = 24 * 3600


async def test_the_page() -> None:
    reminders: list[str] = []
    async with Guide("timers", reminders=reminders) as guide:
        trial = await guide.start("trial")
        await guide.run(29 * DAY)
        assert reminders == []
        # nothing but a row waits
        assert await guide.messages() == 0
        await guide.run(2 * DAY)
        assert reminders == ["the trial ends in a week"]
        await guide.wait(trial)
        assert reminders[1:] == ["the trial has ended"]

        ordered, not_ordered = [await guide.start("trial_or_order") for _ in range(2)]
        await guide.client.raise_event(ordered, "order")
        assert result(await guide.wait(ordered)) == "ordered"
        events = [type(event) for _, event in await guide.client.get_history(ordered)]
        assert TimerCanceled in events
        assert result(await guide.wait(not_ordered)) == "ended"
