"""The app that a host loads: its blueprints, and nothing else."""

from __future__ import annotations

import azure.functions as func

import durable as df
import starters
from activities import (
    catalogue,
    digests,
    fulfilment,
    invoices,
    notices,
    payments,
    probes,
    stock,
    texts,
)
from orchestrators import approval, batch, cart, hello, invoice, monitor, order, payouts
from orchestrators import catalogue as catalogues

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

for module in (hello, order, cart, batch, payouts, approval, monitor, invoice, catalogues):
    app.register_blueprint(module.bp)
for module in (payments, stock, fulfilment, notices, texts, probes, invoices, catalogue, digests):
    app.register_blueprint(module.bp)
app.register_blueprint(starters.bp)
