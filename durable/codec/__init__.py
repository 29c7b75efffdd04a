"""Values of user code <-> the JSON text that is stored.

The text is plain JSON, ASCII only, without marks of Python types: any other
program can read it, and nothing in it decides what is imported or called.
A type comes back only through an annotation that the reader gives.

| value                     | JSON                                             |
| ------------------------- | ------------------------------------------------ |
| None, bool, int, str      | themselves                                       |
| float                     | number; NaN and infinities are refused           |
| list, tuple, NamedTuple   | array                                            |
| set, frozenset            | array, in the order of its items' JSON text      |
| dict, other mappings      | object; keys that are no str: see `encode`       |
| dataclass                 | object of its fields                             |
| pydantic model            | `model_dump(mode="json", by_alias=True)`         |
| Enum                      | its value                                        |
| datetime, date, time      | ISO 8601, with the offset where there is one     |
| timedelta                 | seconds (exact to the microsecond for 272 years) |
| UUID, Decimal             | string                                           |
| bytes, bytearray          | base64 string                                    |
| SimpleNamespace           | object of its attributes                         |
| has to_json and from_json | what `to_json(value)` returns                    |
| has to_json alone         | the same; it comes back plain                    |
"""

from durable.codec.annotations import annotation_of, return_annotation_of
from durable.codec.decoding import decode
from durable.codec.encoding import encode

__all__ = ["annotation_of", "decode", "encode", "return_annotation_of"]
