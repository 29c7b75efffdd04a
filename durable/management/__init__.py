"""The HTTP management API: start, watch and steer orchestrations by URL.

`ManagementApi` answers requests, `LinkSigner` makes the links that need no key. Both hosts
serve the same two routes: one for keyed callers, one for signed links.
"""

from durable.management.api import ManagementApi
from durable.management.links import LinkRefusedError, LinkSigner

__all__ = ["LinkRefusedError", "LinkSigner", "ManagementApi"]
