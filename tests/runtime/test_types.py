"""Values keep their types on every way: inputs, results, events, status, entity state."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar
from uuid import UUID

import pydantic
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import durable as df
from durable.codec import decode
from durable.errors import InvalidRequestError, PayloadError
from durable.model.entities import EntityId
from durable.model.instance import InstanceStatus
from tests.memory_hub import MemoryHub

T = TypeVar("T")
Sku = NewType("Sku", str)


class Size(Enum):
    SMALL = "s"
    LARGE = 2


class Level(IntEnum):
    LOW = 1


class Currency(StrEnum):
    EUR = "eur"


class Point(NamedTuple):
    x: int
    at: date


class Model(pydantic.BaseModel):
    paid: Decimal
    at: datetime
    size: Size | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    kind: Literal["card"] = "card"
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    kind: Literal["voucher"] = "voucher"
    number: str


@dataclass
class Page(Generic[T]):
    items: list[T]
    following: Page[T] | None = None


@dataclass
class Base:
    id: UUID


@dataclass
class Everything(Base):
    page: Page[Point]
    model: Model
    payment: Card | Voucher
    by_size: dict[Size, Decimal]
    by_day: dict[date, list[int | str | None]]
    wait: timedelta
    opens: time
    raw: bytes
    tags: frozenset[Currency]
    sku: Annotated[Sku, "what is on the shelf"]
    level: Level = Level.LOW
    children: list[Everything] = field(default_factory=list)


ZONES = [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-3))]
words = st.text(max_size=5)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=2)
points = st.builds(Point, st.integers(), st.dates())
pages = st.recursive(
    st.builds(Page, st.lists(points, max_size=2)),
    lambda inner: st.builds(Page, st.lists(points, max_size=2), inner),
    max_leaves=2,
)
everything = st.builds(
    Everything,
    id=st.uuids(),
    page=pages,
    model=st.builds(
        Model,
        paid=decimals,
        at=st.datetimes(timezones=st.sampled_from(ZONES)),
        size=st.none() | st.sampled_from(Size),
    ),
    payment=st.builds(Card, number=words) | st.builds(Voucher, number=words),
    by_size=st.dictionaries(st.sampled_from(Size), decimals),
    by_day=st.dictionaries(
        st.dates(), st.lists(st.integers() | words | st.none(), max_size=2), max_size=2
    ),
    wait=st.timedeltas(timedelta(days=-1000), timedelta(days=1000)),
    opens=st.times(),
    raw=st.binary(max_size=8),
    tags=st.frozensets(st.sampled_from(Currency)),
    sku=words,
)

app = df.DFApp()


@app.activity_trigger(input_name="value")
def echo(value: Everything) -> Everything:
    assert type(value) is Everything
    return value


@app.entity_trigger(context_name="context")
async def keeper(context: df.EntityContext) -> None:
    if context.operation_name == "set":
        context.set_state(context.get_input(Everything))
    context.set_state(context.get_state(Everything))


@app.orchestration_trigger(context_name="context")
async def child(context: df.DurableOrchestrationContext, value: Everything) -> Everything:
    return value


@app.orchestration_trigger(context_name="context")
async def tour(context: df.DurableOrchestrationContext, value: Everything) -> Everything:
    """Each stop gets what the one before returned."""
    assert type(value) is Everything
    value = await context.call_activity(echo, value)
    value = await context.call_sub_orchestrator(child, value)
    context.set_custom_status(value)
    await context.call_entity(EntityId("keeper", "a"), "set", value)
    sent = await context.wait_for_external_event("sent", Everything)
    both = await context.when_all((context.call_activity(echo, sent), context.create_timer(WAIT)))
    assert both == (sent, None)
    return sent if sent == value else context.get_input(Everything)


WAIT = timedelta(seconds=1)


async def life(value: Everything) -> tuple[InstanceStatus, Everything | None]:
    hub = MemoryHub()
    hub.registry.update(app.durable.registry)
    async with hub:
        instance_id = await hub.client.start_new(tour, client_input=value)
        await hub.client.raise_event(instance_id, "sent", value)
        status = await hub.wait(instance_id)
        state = await hub.client.read_entity_state(EntityId("keeper", "a"))
        assert state is not None
        assert state.state is not None
        return status, decode(state.state, Everything)


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(everything)
def test_what_is_given_comes_back(value: Everything) -> None:
    status, kept = asyncio.run(life(value))
    assert status.failure is None
    assert status.get_output(Everything) == value
    assert status.get_input(Everything) == value
    assert status.get_custom_status(Everything) == value
    assert kept == value


declared = df.DFApp()


@declared.orchestration_trigger(context_name="context")
async def asks(context: df.DurableOrchestrationContext, size: Size) -> Size:
    assert not hasattr(context, "native_context")
    return size


@declared.orchestration_trigger(context_name="context")
def yields(context: df.DurableOrchestrationContext, size: Size) -> Generator[Any, Any, list[Size]]:
    found: Size = yield context.call_sub_orchestrator(asks, size)
    return [found, size]


@declared.orchestration_trigger(context_name="context")
async def by_default(context: df.DurableOrchestrationContext, size: Size = Size.LARGE) -> Size:
    return size


@pytest.fixture
async def hub() -> Any:
    hub = MemoryHub()
    hub.registry.update(declared.durable.registry)
    async with hub:
        yield hub


async def ended(hub: MemoryHub, orchestrator: Any, value: object = None) -> InstanceStatus:
    return await hub.wait(await hub.client.start_new(orchestrator, None, value))


async def test_an_orchestrator_may_declare_its_input(hub: MemoryHub) -> None:
    assert (await ended(hub, asks, Size.SMALL)).get_output(Size) is Size.SMALL
    status = await ended(hub, yields, Size.LARGE)
    assert status.get_output(list[Size]) == [Size.LARGE, Size.LARGE]
    assert (await ended(hub, by_default)).get_output(Size) is Size.LARGE
    assert (await ended(hub, by_default, "s")).get_output(Size) is Size.SMALL


async def test_an_input_that_does_not_fit_is_named(hub: MemoryHub) -> None:
    status = await ended(hub, asks, "huge")
    assert 'expected Size (one of "s", 2), got the string "huge"' in str(status.failure)
    with pytest.raises(InvalidRequestError, match=r"it is Failed: .*got the string"):
        status.get_output(Size)
    with pytest.raises(PayloadError, match="expected Size"):
        status.get_input(Size)
    assert "got null" in str((await ended(hub, asks)).failure)
