"""Recurring schedules: orchestrations that start by a cron expression or an interval.

One entity for each schedule, which signals itself for its next time; nothing else runs it.
"""

from durable.scheduling.client import ScheduleClient
from durable.scheduling.entity import schedule_entity
from durable.scheduling.spec import (
    CatchUp,
    Overlap,
    ScheduleChanges,
    ScheduleDescription,
    ScheduleOptions,
    ScheduleSpec,
    ScheduleStatus,
)

__all__ = [
    "CatchUp",
    "Overlap",
    "ScheduleChanges",
    "ScheduleClient",
    "ScheduleDescription",
    "ScheduleOptions",
    "ScheduleSpec",
    "ScheduleStatus",
    "schedule_entity",
]
