"""Durable HTTP's requests: the activity that sends them, and where they may go."""

from durable.outbound.activity import LateSender, with_durable_http
from durable.outbound.targets import Targets
from durable.outbound.tokens import Tokens

__all__ = ["LateSender", "Targets", "Tokens", "with_durable_http"]
