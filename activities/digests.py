"""Work that keeps a processor busy. It has a module of its own: the process that it runs in imports
this, and not the rest of the app."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import durable as df
from orchestrators.models import Catalogue

bp = df.Blueprint()


@bp.activity_trigger(input_name="catalogue", timeout=timedelta(minutes=10), process=True)
def seal_catalogue(catalogue: Catalogue) -> str:
    """A digest of a digest, so many times that it takes a while to make."""
    digest = catalogue.supplier.encode()
    for _ in range(catalogue.rounds):
        digest = sha256(digest).digest()
    return digest.hex()
