"""docs/guide/continue-as-new.md"""

from __future__ import annotations

from tests.guide.running import Guide, result

URL = "https://example.com"


async def test_the_page() -> None:
    sites = {URL: False}
    async with Guide("continue-as-new", sites=sites) as guide:
        watch = await guide.start("watch", [URL, 1])
        before = len(await guide.client.get_history(watch))
        await guide.run(65 * 60)
        assert len(await guide.client.get_history(watch)) == before
        sites[URL] = True
        assert result(await guide.wait(watch)) == f"{URL} is up, at look 8"
