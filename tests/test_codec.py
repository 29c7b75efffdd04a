"""Values survive the trip through JSON text, and what cannot make it says where and why."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import subprocess
import sys
import types
import typing
import uuid
from collections.abc import Awaitable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
)

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable.codec import annotation_of, decode, encode, return_annotation_of
from durable.errors import PayloadError

if typing.TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]

T = TypeVar("T")
U = TypeVar("U")
OrderId = NewType("OrderId", str)


class Colour(Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(IntEnum):
    LOW = 1


class Currency(StrEnum):
    EUR = "EUR"


class Rights(Flag):
    READ = 1
    WRITE = 2


class Text(str):
    __slots__ = ()


class Point(NamedTuple):
    x: int
    y: Decimal = Decimal(0)


class Address(TypedDict):
    street: str
    since: NotRequired[date]


@dataclass
class Item:
    name: str
    price: Decimal = Decimal("1.50")


@dataclass(frozen=True)
class Order:
    number: uuid.UUID
    items: list[Item]
    at: datetime
    colour: Colour = Colour.RED
    parent: Order | None = None
    tags: dict[str, frozenset[int]] = field(default_factory=dict)
    total: int = field(default=0, init=False)


@dataclass
class Page(Generic[T]):
    items: list[T]
    next: T | None = None


@dataclass
class Strings(Page[list[T]], Generic[T, U]):
    first: T | None = None
    second: U | None = None


@dataclass
class Card:
    number: str = ""


@dataclass
class GiftCard:
    number: str = ""
    owner: str = ""


@dataclass
class Checked:
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("amount is negative")


@dataclass
class Unresolvable:
    missing: Missing


class Socket: ...


class Legacy:
    """Durable Functions' way to serialise."""

    def __init__(self, name: str) -> None:
        self.name = name

    @staticmethod
    def to_json(value: Legacy) -> str:
        return json.dumps({"n": value.name})

    @staticmethod
    def from_json(text: str) -> Legacy:
        return Legacy(json.loads(text)["n"])


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    order_id: int = pydantic.Field(alias="orderId")
    at: datetime
    items: tuple[Item, ...] = ()


@dataclass
class Holder:
    model: Model


ORDER = Order(
    uuid.UUID(int=7),
    [Item("é\ud800"), Item("b", Decimal("2E+3"))],
    datetime(2024, 2, 29, 12, 30, 1, 5, timezone(timedelta(hours=5, minutes=30))),
    Colour.PAIR,
    Order(uuid.UUID(int=8), [], datetime(2024, 1, 1, tzinfo=UTC)),
    {"a": frozenset({1, 2})},
)


@pytest.mark.parametrize(
    ("value", "annotation", "text"),
    [
        (None, None, "null"),
        (True, bool, "true"),
        (10**400, int, "1" + "0" * 400),
        (1.5, float, "1.5"),
        ("\udfff€", str, '"\\udfff\\u20ac"'),
        ([1, [2]], list, "[1,[2]]"),
        ({"1": None, "true": 2}, dict, '{"1":null,"true":2}'),
        ((1, "a"), tuple[int, str], '[1,"a"]'),
        ((1, 2, 3), tuple[int, ...], "[1,2,3]"),
        ((), tuple[()], "[]"),
        ((1, "a"), tuple, '[1,"a"]'),
        ({3, 20, 1}, set[int], "[1,20,3]"),
        (frozenset("ab"), frozenset[str], '["a","b"]'),
        ([Level.LOW], Sequence[Level], "[1]"),
        ({"k": date(2024, 1, 2)}, Mapping[str, date], '{"k":"2024-01-02"}'),
        (time(1, 2, 3, tzinfo=UTC), time, '"01:02:03+00:00"'),
        (timedelta(minutes=1, microseconds=1), timedelta, "60.000001"),
        (datetime(2024, 1, 2, 3), datetime | date, '"2024-01-02T03:00:00"'),
        (date(2024, 1, 2), datetime | date, '"2024-01-02"'),
        (Decimal("1.10"), Decimal, '"1.10"'),
        (b"\x00\xff", bytes, '"AP8="'),
        (bytearray(b"a"), bytearray, '"YQ=="'),
        (Colour.PAIR, Colour, "[1,2]"),
        (Currency.EUR, Currency, '"EUR"'),
        (Rights.READ | Rights.WRITE, Rights, "3"),
        (Text("t"), Text, '"t"'),
        (OrderId("o"), OrderId, '"o"'),
        ("a", Annotated[str, "note"], '"a"'),
        (Colour.RED, Literal[Colour.RED, 1], '"red"'),
        (Point(1, Decimal("2.0")), Point, '[1,"2.0"]'),
        ({"street": "s", "since": date(2024, 1, 2)}, Address, None),
        (None, Optional[Order], "null"),  # noqa: UP045
        (ORDER, Order | None, None),
        ([ORDER], list[Order], None),
        (Page([Item("a")], Item("b")), Page[Item], None),
        (Strings([["a"]], ["b"], "c", 4), Strings[str, int], None),
        ({"x": 1}, object, '{"x":1}'),
    ],
)
def test_round_trip(value: object, annotation: Any, text: str | None) -> None:
    encoded = encode(value)
    assert encoded.isascii()
    if text is not None:
        assert encoded == text
    decoded = decode(encoded, annotation)
    assert decoded == value
    assert type(decoded) is type(value)


def test_read_only_mappings_are_objects() -> None:
    assert encode(types.MappingProxyType({"a": 1})) == '{"a":1}'


def test_what_only_goes_out_comes_back_plain() -> None:
    class Shown:
        def to_json(self) -> dict[str, Any]:
            return {
                "at": date(2026, 1, 2),
                "more": types.SimpleNamespace(a=[1], b=types.SimpleNamespace()),
            }

    text = encode([Shown()])
    assert decode(text) == [{"at": "2026-01-02", "more": {"a": [1], "b": {}}}]
    with pytest.raises(PayloadError, match=r"^\$\.more: cannot encode object"):
        encode(types.SimpleNamespace(more=object()))
    with pytest.raises(PayloadError, match="a class, not a value"):
        encode(Shown)


def test_classes_with_to_json_and_from_json() -> None:
    assert encode({"a": Legacy("x")}) == '{"a":"{\\"n\\": \\"x\\"}"}'
    assert decode(encode([Legacy("x")]), list[Legacy])[0].name == "x"
    assert isinstance(decode(encode(Legacy("x"))), str)
    with pytest.raises(PayloadError, match=r"\$\[0\]: expected Legacy, got the number 3: TypeErr"):
        decode("[3]", list[Legacy])


def test_pydantic_models() -> None:
    model = Model(orderId=3, at=datetime(2024, 1, 1, tzinfo=UTC), items=(Item("a"),))
    assert decode(encode(model))["orderId"] == 3
    assert decode(encode(model), Model) == model
    assert decode(encode(Holder(model)), Holder) == Holder(model)
    assert decode(encode([model]), pydantic.TypeAdapter(list[Model])) == [model]
    with pytest.raises(PayloadError, match=r"^\$\.model\.orderId: expected Model, got the string"):
        decode('{"model":{"orderId":"3","at":"2024-01-01T00:00:00Z"}}', Holder)
    with pytest.raises(PayloadError, match=r"^\$: expected Model, got .*JSON"):
        decode("[", Model)
    with pytest.raises(PayloadError, match=r"^\$\[0\]: expected .*greater than 0"):
        decode("[0]", list[Annotated[int, pydantic.Field(gt=0)]])


def test_pydantic_is_not_needed() -> None:
    code = (
        "import sys; sys.modules['pydantic'] = None\n"
        "from durable.codec import decode, encode\n"
        "assert decode(encode([1]), list[int]) == [1]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sets_are_written_alike_in_every_process() -> None:
    code = "from durable.codec import encode; print(encode(set('abcdefgh')))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {b'["a","b","c","d","e","f","g","h"]' + os.linesep.encode()}


def cyclic() -> list[object]:
    value: list[object] = [1]
    value.append({"again": value})
    return value


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


class BadJson(Legacy):
    @staticmethod
    def to_json(value: Legacy) -> str:
        raise KeyError(value.name)


@pytest.mark.parametrize(
    ("value", "text", "annotation"),
    [
        ({1: "a", -2: "b"}, '{"1":"a","-2":"b"}', dict[int, str]),
        ({1.5: "a"}, '{"1.5":"a"}', dict[float, str]),
        ({None: 1, True: 2}, '{"null":1,"true":2}', dict[bool | None, int]),
        ({Level.LOW: 1}, f'{{"{Level.LOW.value}":1}}', dict[int, int]),
        ({1: {2: 3}}, '{"1":{"2":3}}', dict[int, dict[int, int]]),
        ({"1": "a"}, '{"1":"a"}', dict[str, str]),
        ({Colour.RED: 1}, f'{{"{Colour.RED.value}":1}}', dict[Colour, int]),
        ({date(2024, 1, 2): 1}, '{"2024-01-02":1}', dict[date, int]),
        (
            [{Decimal("1.50"): {uuid.UUID(int=1): {}}}],
            f'[{{"1.50":{{"{uuid.UUID(int=1)}":{{}}}}}}]',
            list[dict[Decimal, dict[uuid.UUID, dict[str, int]]]],
        ),
        ({time(1, 2): {1, 2}}, '{"01:02:00":[1,2]}', dict[time, set[int]]),
    ],
)
def test_keys_that_are_no_text_become_their_json(value: Any, text: str, annotation: Any) -> None:
    assert encode(value) == text
    assert decode(text, annotation) == value
    assert decode(text, None) == json.loads(text)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"items": [1, {"price": math.nan}]}, r"^\$\.items\[1\]\.price: nan is not a number"),
        ([math.inf], r"^\$\[0\]: inf is not"),
        ([Decimal("NaN")], r"^\$\[0\]: cannot encode decimal.Decimal: NaN"),
        ({"a": {3: 1, "3": 2}}, r"^\$\.a: keys 3 and '3' are both '3' in JSON"),
        ({"a": {True: 1, "true": 2}}, r"^\$\.a: keys True and 'true' are both 'true' in JSON"),
        ({"a": {math.nan: 1}}, r"^\$\.a: nan is not a number in JSON"),
        ({(1, 2): 1}, r"^\$: key \(1, 2\) is of type tuple"),
        ({"a b": {1j}}, r'^\$\["a b"\]\[\*\]: cannot encode complex: use plain JSON'),
        (Item("a", object()), r"^\$\.price: cannot encode object: use plain"),  # type: ignore[arg-type]
        (Item, r"^\$: cannot encode type: a class, not a value"),
        (BadJson("x"), r"^\$: cannot encode .*BadJson: KeyError: 'x'"),
        (cyclic(), r"^\$\[1\]\.again: is part of itself"),
        (deep(100_000), r"^\$: is nested too deeply"),
        ([10**5000], r"^\$\[0\]: Exceeds the limit"),
    ],
)
def test_what_cannot_be_encoded(value: object, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        encode(value)


def test_a_forgotten_await_is_named() -> None:
    async def work() -> None: ...

    coroutine = work()
    with pytest.raises(PayloadError, match=r"^\$\[0\]: .*await it"):
        encode([coroutine])
    coroutine.close()


def test_the_same_value_twice_is_no_cycle() -> None:
    shared = Item("a")
    assert len(decode(encode({"a": [shared, shared], "b": shared, "c": {"1": shared}}))) == 3


@pytest.mark.parametrize(
    ("text", "annotation", "message"),
    [
        ("", None, r"^\$: is not JSON: Expecting value"),
        ("{", Item, r"^\$: is not JSON"),
        ("[NaN]", None, "NaN is not a number"),
        ("-Infinity", float, "-Infinity is not a number"),
        pytest.param("[" * 100_000, None, "nested too deeply", id="deep"),
        pytest.param("1" * 5000, None, "Exceeds the limit", id="long number"),
        ("true", int, r"^\$: expected int, got the boolean true"),
        ("1", bool, "expected bool, got the number 1"),
        ("1.0", int, "expected int, got the number 1.0"),
        ('"1"', float, 'expected float, got the string "1"'),
        ("true", float, "expected float"),
        ("1e999", float, "too large"),
        ("1" + "0" * 400, float, "too large"),
        ("null", str, "expected str, got null"),
        ('"x"', None | int, r"expected int, got the string"),
        ('"x"', date | int, r'expected date \(ISO 8601\), got the string "x"'),
        ('"2024-01-01"', datetime, r"expected datetime \(ISO 8601\)"),
        ('"!"', bytes, r"expected bytes \(base64\)"),
        ('"Infinity"', Decimal, "expected Decimal"),
        ("1e300", timedelta, "out of range"),
        ("true", Level, r"expected Level \(one of 1\), got the boolean true"),
        ('"blue"', Colour, r'expected Colour \(one of "red", \[1,2\]\), got the string "blue"'),
        ("1.0", Literal[1], r"expected Literal\[1\] \(one of 1\), got the number 1.0"),
        ('["a"]', tuple[int, ...], r"^\$\[0\]: expected int"),
        ("[1]", tuple[int, int], r"an array of 2\), got an array of 1 item"),
        ("[[]]", set[list[int]], "unhashable"),
        ('{"a":{"x":1}}', dict[str, dict[str, str]], r"^\$\.a\.x: expected str, got the number 1"),
        ('{"a":1}', dict[uuid.UUID, int], r"^\$\.a: expected UUID"),
        ("[]", Item, r"expected Item \(an object\), got an array of 0 items"),
        ("{}", Item, r"expected Item \(an object\), got an object of 0 keys: without name"),
        ("{}", None | Item, "without name"),
        ('{"amount":-1}', Checked, "expected Checked.*: ValueError: amount is negative"),
        ("{}", Address, "without street"),
        ('{"street":"","since":1}', Address, r"^\$\.since: expected date"),
        ("[1,2,3]", Point, r"Point \(2 items\), got an array of 3"),
        ('["a"]', Point, r"^\$\[0\]: expected int"),
        ('{"items":[],"next":"x"}', Page[int], r"^\$\.next: expected int"),
        ('{"missing":1}', Unresolvable, "Unresolvable cannot be resolved .name 'Missing'"),
        ("1", "Order", "cannot decode JSON into Order"),
        ("{}", Socket, "cannot decode JSON into Socket: annotate with"),
        ("{}", list[Socket] | None, "cannot decode JSON into Socket"),
    ],
)
def test_what_does_not_fit(text: str, annotation: Any, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        decode(text, annotation)


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(PayloadError) as caught:
        decode(json.dumps("x" * 1000), int)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("text", "annotation", "expected"),
    [
        ("1", float | int, 1),
        ("1", float, 1.0),
        ("1", float | Decimal, 1.0),
        ("1.5", int | float, 1.5),
        ("true", int | bool, True),
        ('"2024-01-02"', date | str, date(2024, 1, 2)),
        ('"2024-01-02"', str | date, "2024-01-02"),
        ('"soon"', date | str, "soon"),
        ('{"number":"1"}', GiftCard | Card, Card("1")),
        ('{"number":"1","owner":"o"}', Card | GiftCard, GiftCard("1", "o")),
        ('{"number":"1","other":"o"}', Card | GiftCard, Card("1")),
        ("[1]", list[str] | list[int], [1]),
    ],
)
def test_the_choice_in_a_union(text: str, annotation: Any, expected: object) -> None:
    decoded = decode(text, annotation)
    assert decoded == expected
    assert type(decoded) is type(expected)


@dataclass
class Coupon:
    number: str


def test_an_object_that_two_dataclasses_could_be_is_refused() -> None:
    with pytest.raises(
        PayloadError, match=r"^\$: expected Card \| Coupon, .* Card and Coupon: tell"
    ):
        decode('{"number":"1"}', Card | Coupon)
    assert decode('{"number":"1","owner":"o"}', Card | Coupon | GiftCard) == GiftCard("1", "o")
    two_keys = {Colour.RED: 1, str(Colour.RED.value): 2}
    with pytest.raises(PayloadError, match="are both"):
        encode(two_keys)


def test_what_is_not_known_to_the_type() -> None:
    assert decode('{"name":"a","new":1}', Item) == Item("a")
    assert decode('{"street":"a","new":1}', Address) == {"street": "a", "new": 1}
    assert decode('{"x":1,"new":2}', Point) == Point(1)
    assert decode('{"name":"a","price":2.5}', Item) == Item("a", Decimal("2.5"))
    written = json.loads(encode(dataclasses.replace(ORDER)))
    assert decode(json.dumps(written | {"total": 9}), Order).total == 0


def test_no_text_is_no_value() -> None:
    assert decode(None) is None
    assert decode(None, Order) is None


def test_a_payload_names_no_code() -> None:
    text = '{"__class__":"Item","__module__":"os","__data__":"x","__reduce__":["os.system","x"]}'
    assert decode(text) == json.loads(text)
    assert decode(text, dict[str, Any]) == json.loads(text)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
items = st.builds(Item, st.text(), st.decimals(allow_nan=False, allow_infinity=False))
offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
    lambda offset: timezone(timedelta(seconds=round(offset.total_seconds())))
)
orders = st.builds(
    Order,
    st.uuids(),
    st.lists(items, max_size=3),
    st.datetimes(timezones=offsets | st.just(UTC)),
    st.sampled_from(Colour),
    st.none() | st.just(ORDER),
    st.dictionaries(st.text(), st.frozensets(st.integers())),
)


@given(json_values)
def test_plain_json_survives(value: object) -> None:
    text = encode(value)
    assert decode(text) == value
    assert decode(text, Any) == json.loads(text)
    assert encode(decode(text)) == text
    text.encode("utf-8")


@given(orders)
def test_orders_survive(order: Order) -> None:
    assert decode(encode(order), Order) == order
    page = Page([order, order], None)
    assert decode(encode(page), Page[Order]) == page


@given(
    st.tuples(
        st.binary(),
        st.times(),
        st.dates(),
        st.timedeltas(timedelta(days=-99_000), timedelta(days=99_000)),
    )
)
def test_scalars_survive(value: tuple[bytes, time, date, timedelta]) -> None:
    assert decode(encode(value), tuple[bytes, time, date, timedelta]) == value


@given(
    json_values,
    st.sampled_from([Order, Item, Point, Address, Page[int], Colour, Model, Legacy, int | Card]),
)
def test_any_payload_fits_or_is_refused_clearly(value: object, annotation: Any) -> None:
    try:
        decoded = decode(encode(value), annotation)
    except PayloadError as error:
        fault = str(error)
    else:
        assert decode(encode(decoded), annotation) is not None
        return
    assert fault.startswith("$")


def typed(order: Order, other: Missing, plain, count: int | None = None) -> list[Order]:  # type: ignore[no-untyped-def]
    return []


class Service:
    def __call__(self, order: Order) -> Item:
        return Item("a")

    def method(self, order: Item) -> Missing: ...


async def coroutine(order: Order) -> Item: ...


def generator(order: Order) -> Generator[Any, Any, Item]:
    yield
    return Item("a")


def bare_generator() -> typing.Iterator[int]:
    yield 1


def awaitable() -> Awaitable[Order]: ...


def nothing() -> None: ...


def never() -> typing.NoReturn: ...


def test_annotations_of_parameters() -> None:
    assert annotation_of(typed, "order") is Order
    assert annotation_of(typed, "count") == int | None
    assert [annotation_of(typed, name) for name in ("other", "plain", "absent")] == [None] * 3
    assert annotation_of(functools.partial(typed, count=1), "order") is Order
    assert annotation_of(Service(), "order") is Order
    assert annotation_of(Service().method, "order") is Item

    @functools.wraps(typed)
    def wrapped(*args: Any) -> Any: ...

    assert annotation_of(wrapped, "order") is Order


def test_annotations_of_results() -> None:
    assert return_annotation_of(typed) == list[Order]
    assert return_annotation_of(coroutine) is Item
    assert return_annotation_of(generator) is Item
    assert return_annotation_of(awaitable) is Order
    assert return_annotation_of(nothing) is type(None)
    assert return_annotation_of(Service()) is Item
    for function in (bare_generator, never, Service().method, lambda: 1, len):
        assert return_annotation_of(function) is None


def test_annotations_that_name_an_enclosing_function_s_class() -> None:
    @dataclass
    class Local:
        x: int

    def use(value: Local) -> Local:
        return Local(value.x)

    assert annotation_of(use, "value") is Local
    assert decode('{"x":1}', annotation_of(use, "value")) == Local(1)
