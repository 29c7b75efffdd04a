"""Names and keys of everything a task hub stores.

Durable Functions may share the account: its tables end in History and Instances and its
queues are `{hub}-control-NN`; ours end in Dx and have `-dx-` after the hub, so that neither
reads the other's.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2s, sha256

_SAFE = re.compile(r"[A-Za-z0-9 _.:@~()*+,;&$-]")
_PLAIN_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_LONGEST = 300
PRIORITIES = (1, 0, -1)
"""A priority of each queue that an activity with priorities has, the most urgent first."""
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HubNames:
    """Tables and queues of one hub. `hub` is 3 to 40 letters and digits, a letter first."""

    def __init__(self, hub: str, control_queues: int = 1) -> None:
        self.hub = hub
        self.history = f"{hub}HistoryDx"
        self.instances = f"{hub}InstancesDx"
        self.index = f"{hub}IndexDx"
        self.hub_table = f"{hub}HubDx"
        self.control_queues = tuple(
            f"{hub.lower()}-dx-control-{number:02}" for number in range(control_queues)
        )

    @property
    def tables(self) -> tuple[str, ...]:
        """All tables."""
        return self.history, self.instances, self.index, self.hub_table

    def control_queue(self, instance_id: str) -> str:
        """The control queue that an instance's doorbells go to."""
        number = blake2s(instance_id.encode(), digest_size=4).digest()
        return self.control_queues[int.from_bytes(number, "big") % len(self.control_queues)]

    def work_queue(self, activity: str, priority: int = 0) -> str:
        """The queue of an activity's work items of a priority; see `lanes`."""
        return work_queue(self.hub.lower(), activity, priority)

    def lanes(self, activity: str, *, priorities: bool) -> tuple[str, ...]:
        """All queues of an activity's work items: with `priorities` those of calls above 0, of 0,
        and below 0."""
        return _lanes(self.hub.lower(), activity, priorities)


@lru_cache(maxsize=10_000)
def _lanes(hub: str, activity: str, priorities: bool) -> tuple[str, ...]:
    classes = PRIORITIES if priorities else (0,)
    return tuple(work_queue(hub, activity, each) for each in classes)


@lru_cache(maxsize=10_000)
def work_queue(hub: str, activity: str, priority: int = 0) -> str:
    """`hub` in lower case, or an expression such as `%HUB%` that the Functions host resolves.

    Names in snake_case read as they are; others get a digest, since queue names have no
    capitals and little else.
    """
    if priority:
        # no activity's name has a space, so that no other's queue is called this
        activity = f"{activity} {'high' if priority > 0 else 'low'}"
    if _PLAIN_NAME.fullmatch(activity) and len(activity) <= 17:
        return f"{hub}-dx-{activity.replace('_', '-')}"
    slug = re.sub(r"[^a-z0-9]+", "-", activity.lower())[:8].strip("-")
    digest = sha256(activity.encode()).hexdigest()[:8]
    return f"{hub}-dx-{slug}-{digest}" if slug else f"{hub}-dx-{digest}"


@lru_cache(maxsize=10_000)
def encode(text: str) -> str:
    """Text as part of a key: other characters than a safe few become `=XX` of their UTF-8
    bytes; what would be too long is cut and ends in a digest."""
    encoded = "".join(
        c if _SAFE.fullmatch(c) else "".join(f"={b:02X}" for b in c.encode()) for c in text
    )
    if len(encoded) > _LONGEST:
        return f"{encoded[: _LONGEST - 70]}=~{sha256(text.encode()).hexdigest()}"
    return encoded


def head_key(instance_id: str) -> str:
    """The head's row key differs between instances: point reads of one shared key are slow."""
    return "!" + blake2s(instance_id.encode(), digest_size=8).hexdigest()


ENTITY_INBOX = "e"
"""Stands for the incarnation in the keys of what reaches an entity: that outlives the entity's
clean-up, and no sender has to know which life it is in."""


def inbox_owner(instance_id: str, incarnation: str) -> str:
    """Under which name an instance's inbox and the payloads in it are kept."""
    return ENTITY_INBOX if instance_id.startswith("@") else incarnation


def gate_key(incarnation: str) -> str:
    """Sorts before the inbox, so that a query reads it first."""
    return f"{incarnation}|a"


def inbox_key(incarnation: str, message: str) -> str:
    """`message` is the id that makes the sender's repeats one."""
    return f"{incarnation}|b|{encode(message)}"


def inbox_range(incarnation: str) -> tuple[str, str]:
    """Gate and inbox."""
    return f"{incarnation}|a", f"{incarnation}|c"


def details_key(incarnation: str, execution_id: str, call: int) -> str:
    """What the attempts of an activity's call said last."""
    return f"{incarnation}|d|{execution_id}|{call}"


def details_range(incarnation: str) -> tuple[str, str]:
    """All of them."""
    return f"{incarnation}|d", f"{incarnation}|e"


def turn_key(incarnation: str, sequence: int) -> str:
    """History rows in order."""
    return f"{incarnation}|h|{sequence:010}"


def history_range(incarnation: str, first: int, beyond: int) -> tuple[str, str]:
    """Turns `first` up to, not including, `beyond`."""
    return turn_key(incarnation, first), turn_key(incarnation, beyond)


def payload_key(incarnation: str, name: str, part: int) -> str:
    """One row of a payload."""
    return f"{incarnation}|p|{name}|{part:03}"


def query_answer_key(incarnation: str, ask_id: str) -> str:
    """The answer to a query, for whoever asked under that id."""
    return f"{incarnation}|f|{ask_id}"


def update_answer_key(incarnation: str, message_id: str) -> str:
    """The answer to an update. It sorts right before the turns: see `outlived_range`."""
    return f"{incarnation}|g|{encode(message_id)}"


def is_answer_key(key: str) -> bool:
    """Whether it is one of these two."""
    return key.partition("|")[2][:2] in ("f|", "g|")


def outlived_range(incarnation: str, base: int) -> tuple[str, str]:
    """All answers, and the turns before `base`."""
    return f"{incarnation}|f|", turn_key(incarnation, base)


def payload_range(incarnation: str) -> tuple[str, str]:
    """All payloads."""
    return f"{incarnation}|p", f"{incarnation}|q"


def incarnation_range(incarnation: str) -> tuple[str, str]:
    """Everything but the head."""
    return f"{incarnation}|", f"{incarnation}~"


def listing_key(created: datetime, instance_id: str) -> str:
    """Row key in the instances table: entities by id, instances by `newest_first`."""
    if instance_id.startswith("@"):
        return encode(instance_id)
    return newest_first(created, instance_id)


def newest_first(created: datetime, instance_id: str) -> str:
    """Row key in the instances table: the later created, the earlier it sorts."""
    return f"{_micros(_END_OF_TIME) - _micros(created):020}|{encode(instance_id)}"


def newest_first_bound(created: datetime) -> str:
    """Keys of instances created before that moment are greater."""
    return f"{_micros(_END_OF_TIME) - _micros(created):020}"


def due_key(due: datetime, instance_id: str, execution_id: str, task_id: int) -> str:
    """Row key of a far timer, by due time."""
    return f"{due_bound(due)}|{encode(instance_id)}|{execution_id}|{task_id}"


def due_bound(due: datetime) -> str:
    """Timers due before that moment have smaller keys."""
    return f"{max(_micros(due), 0):020}"


def shard(instance_id: str, shards: int) -> int:
    """Which of several partitions an instance's index rows go to."""
    return blake2s(instance_id.encode(), digest_size=2).digest()[0] % shards


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
