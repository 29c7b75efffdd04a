"""Built-in functions that an app takes on explicitly, so that others pay nothing for them."""

from __future__ import annotations

from durable.host import DurableApp
from durable.scheduling import schedule_entity


class BuiltinApi:
    """For apps and blueprints."""

    durable: DurableApp

    def configure_scheduled_tasks(self) -> None:
        """Take part in recurring schedules: see `durable.scheduling.ScheduleClient`."""
        self.durable.registry.add(schedule_entity())
