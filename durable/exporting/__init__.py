"""History export: what instances did, written as files once they have ended.

A job is an orchestration of a built-in orchestrator, and each page of instances an activity.
"""

from durable.exporting.client import ExportClient
from durable.exporting.formats import Format
from durable.exporting.job import export_definitions
from durable.exporting.spec import (
    ExportDescription,
    ExportFailure,
    ExportProgress,
    ExportRequest,
    ExportStatus,
    Mode,
)
from durable.exporting.writer import HistoryWriter, LocalHistoryWriter

__all__ = [
    "ExportClient",
    "ExportDescription",
    "ExportFailure",
    "ExportProgress",
    "ExportRequest",
    "ExportStatus",
    "Format",
    "HistoryWriter",
    "LocalHistoryWriter",
    "Mode",
    "export_definitions",
]
