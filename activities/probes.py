"""Looking at other people's endpoints."""

from __future__ import annotations

import aiohttp

import durable as df
from orchestrators.models import Probe, Watch

bp = df.Blueprint()

LONGEST_BODY = 1024 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=10)


@bp.activity_trigger(input_name="watch")
async def probe_endpoint(watch: Watch) -> Probe:
    """One GET, of whose body the first MiB is searched. An endpoint that cannot be reached is a
    result, not a failure."""
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.get(watch.url, allow_redirects=False) as response,
        ):
            body = await response.content.read(LONGEST_BODY)
            found = response.status == watch.status and watch.contains.encode() in body
            return Probe(response.status, found)
    except (aiohttp.ClientError, TimeoutError) as error:
        return Probe(0, found=False, detail=f"{type(error).__name__}: {error}"[:200])
