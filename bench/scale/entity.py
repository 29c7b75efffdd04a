"""A hot entity: one run at a time reads its inbox, and takes up to 89 operations a turn."""

from __future__ import annotations

from bench.scale.limits import Site
from bench.scale.operations import ENTITY_BATCH
from bench.scale.store import Store

_PAGE = 1000


class HotEntity:
    """Its operations take no time of their own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._free_at = 0
        self._taken = 0
        self.inbox = 0
        """Rows in the inbox."""
        self.read_again = 0
        """Rows that were read once more, since a commit was answered 503."""

    def step(self, now: int) -> int:
        """One tick; how many operations were committed in it."""
        if now < self._free_at or not self.inbox:
            return 0
        if not self._taken:
            pages = -(-self.inbox // _PAGE)
            self._store.background(Site.ENTITY, self.inbox, pages)
            self._taken = self.inbox
            self._free_at = now + pages
            return 0
        if self._store.is_behind(Site.ENTITY):
            # pages come no faster than the partition gives their rows
            return 0
        if self._store.rejects(Site.ENTITY):
            self.read_again += self._taken
            self._taken = 0
            self._free_at = now + 1
            return 0
        count = min(ENTITY_BATCH, self._taken)
        self._store.background(Site.ENTITY, 2 + count, 1)
        self._taken -= count
        self.inbox -= count
        self._free_at = now + 1
        return count
