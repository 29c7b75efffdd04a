"""Function apps written for Durable Functions, 1.x and 2.x, on this engine.

`durable` registers it, which teaches the decorators the other styles. That changes nothing
outside the package: for `import azure.durable_functions` see `durable.compat.activate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable.compat.faces import activity_face, client_face, entity_face, orchestrator_face
from durable.functions import styles

if TYPE_CHECKING:
    from durable.exporting import HistoryWriter


def register() -> None:
    """Have the decorators ask for the styles. A second time does nothing."""
    if orchestrator_face not in styles.ORCHESTRATOR_FACES:
        styles.ORCHESTRATOR_FACES.append(orchestrator_face)
        styles.ACTIVITY_FACES.append(activity_face)
        styles.ENTITY_FACES.append(entity_face)
        styles.CLIENT_FACES.append(client_face)
        styles.WRITER_FACES.append(_writer_face)


def _writer_face(writer: object) -> HistoryWriter | None:
    from durable.compat.v2.history_export import writer_face

    return writer_face(writer)
