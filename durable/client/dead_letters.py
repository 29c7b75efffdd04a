"""Messages that could not be applied: looks at them, sends them again, forgets them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from durable.client.access import Access
from durable.errors import DeadLetterNotFoundError
from durable.hub.hub import DeadLetter
from durable.hub.ringing import repeat


class DeadLetters(Access):
    """See the module."""

    async def list_dead_letters(self) -> AsyncIterator[DeadLetter]:
        """All dead letters, oldest first."""
        token: str | None = None
        while True:
            page, token = await self.list_dead_letters_page(token=token)
            for letter in page:
                yield letter
            if token is None:
                return

    async def list_dead_letters_page(
        self, *, top: int = 100, token: str | None = None
    ) -> tuple[list[DeadLetter], str | None]:
        """At most `top` (1 to 1,000) dead letters, oldest first, and what leads to the next page,
        None at the end."""
        return await repeat(self._hub, lambda: self._hub.dead_letter_page(limit=top, token=token))

    async def retry_dead_letter(self, key: str) -> None:
        """Put the message back into its queue, as it was. Raises DeadLetterNotFoundError, and
        InvalidRequestError for one that was too long for any message of a hub."""
        letter = await repeat(self._hub, lambda: self._hub.dead_letter(key))
        if letter is None:
            raise DeadLetterNotFoundError(f"there is no dead letter {key!r}")
        await repeat(self._hub, lambda: self._hub.retry_dead_letter(letter))

    async def discard_dead_letter(self, key: str) -> None:
        """Forget a dead letter for good. Raises DeadLetterNotFoundError."""
        if not await repeat(self._hub, lambda: self._hub.discard_dead_letter(key)):
            raise DeadLetterNotFoundError(f"there is no dead letter {key!r}")
