"""Cross-origin requests of browsers, as `Host.CORS` of local.settings.json allows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Cors:
    """`origins` are compared as they are; "*" allows all."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._all = "*" in origins
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may call and read the answers."""
        return self._all or origin.lower() in self._origins

    def headers(self, request: Mapping[str, str]) -> dict[str, str]:
        """What a response needs for the request's `Origin`; empty when it is not allowed."""
        origin = request.get("origin", "")
        if not origin or not self.allows(origin):
            return {}
        if self._all:
            return {"Access-Control-Allow-Origin": "*"}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    def preflight(self, method: str, request: Mapping[str, str]) -> dict[str, str] | None:
        """The headers that answer a preflight request; None when it is none, or not allowed."""
        wanted = request.get("access-control-request-method")
        allowed = self.headers(request)
        if method != "OPTIONS" or wanted is None or not allowed:
            return None
        asked = request.get("access-control-request-headers")
        more = {"Access-Control-Allow-Headers": asked} if asked else {}
        return {**allowed, **more, "Access-Control-Allow-Methods": wanted}
