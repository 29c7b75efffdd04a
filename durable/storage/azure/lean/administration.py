"""What is done too rarely to be written twice: the SDKs do it, imported when first asked."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from durable.storage.azure.opening import Opening

if TYPE_CHECKING:
    from durable.storage.azure.sdk.account import SdkAccount


class Administration:
    """Deletion of tables and queues, their names and lengths."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    @cached_property
    def account(self) -> SdkAccount:
        """The account through the SDKs. The first time costs half a second of imports."""
        from durable.storage.azure.sdk.account import SdkAccount

        return SdkAccount(self._opening)

    async def close(self) -> None:
        """Close what was opened; may be called twice."""
        if "account" in self.__dict__:
            await self.account.close()
