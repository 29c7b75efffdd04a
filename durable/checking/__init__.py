"""Finds what replay cannot repeat in orchestrators, by reading their source: nothing is imported.

Helper functions are followed through the modules of the project. Activities, entities and all
other code may do as they like.
"""

from durable.checking.check import Checked, check
from durable.checking.findings import Finding
from durable.checking.rules import CODES

__all__ = ["CODES", "Checked", "Finding", "check"]
