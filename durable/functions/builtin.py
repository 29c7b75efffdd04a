"""Built-in functions that an app takes on explicitly, so that others pay nothing for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable.functions import styles
from durable.host import DurableApp

if TYPE_CHECKING:
    from durable.exporting import HistoryWriter


class BuiltinApi:
    """For apps and blueprints."""

    durable: DurableApp

    def configure_scheduled_tasks(self) -> None:
        """Take part in recurring schedules: see `durable.scheduling.ScheduleClient`."""
        from durable.scheduling import schedule_entity

        self.durable.registry.add(schedule_entity())

    def configure_history_export(self, writer: HistoryWriter) -> None:
        """Take part in history export, through `writer`: see `durable.exporting.ExportClient`.
        Once in an app; DefinitionError for a second time."""
        from durable.exporting import export_definitions

        found = styles.first(ask(writer) for ask in styles.WRITER_FACES) or writer
        for definition in export_definitions(found):
            self.durable.registry.add(definition)
