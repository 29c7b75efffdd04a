"""How long either client waits, and how many connections it keeps."""

from __future__ import annotations

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
"""Of silence, once a request was sent."""
TOTAL_SECONDS = 60.0
"""From a call to the end of its answer, waiting for a connection included."""
KEEP_ALIVE_SECONDS = 3.5
"""Below the 5 s after which the emulator closes idle connections: a write on a connection that is
being closed has no answer."""
MAX_CONNECTIONS = 128
