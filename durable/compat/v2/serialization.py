"""`durabletask.serialization`: payloads as JSON. An app's converter is taken and not used for
what the engine stores; that is plain JSON by `durable.codec`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from durable.codec import decode, encode
from durable.compat.reading import wish
from durable.errors import PayloadError


class DataConverter(ABC):
    """Values to JSON text, and back."""

    @abstractmethod
    def serialize(self, value: Any) -> str | None:
        """The JSON text; None for None."""

    @abstractmethod
    def deserialize(self, data: str | None, target_type: Any = None) -> Any:
        """The value, as `target_type` if there is one."""

    def coerce(self, value: Any, target_type: Any = None) -> Any:
        """A value that was read as plain JSON, as `target_type`."""
        return (
            value if target_type is None else self.deserialize(self.serialize(value), target_type)
        )

    def can_reconstruct(self, target_type: Any) -> bool:
        """Whether `deserialize` can make values of that type."""
        return False


class JsonDataConverter(DataConverter):
    """As `durable.codec` reads and writes; what does not fit the type stays plain JSON."""

    def serialize(self, value: Any) -> str | None:
        return None if value is None else encode(value)

    def deserialize(self, data: str | None, target_type: Any = None) -> Any:
        return decode(data, wish(target_type))

    def can_reconstruct(self, target_type: Any) -> bool:
        from durable.codec.decoding import shape_of

        try:
            shape_of(target_type)
        except PayloadError:
            return False
        return True


class FunctionsDataConverter(JsonDataConverter):
    """The name that azure-functions-durable has for its own."""


DEFAULT_DATA_CONVERTER = JsonDataConverter()
DEFAULT_FUNCTIONS_DATA_CONVERTER = FunctionsDataConverter()
