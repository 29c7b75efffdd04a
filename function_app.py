"""The app that a host loads: its blueprints, and nothing else."""

from __future__ import annotations

import azure.functions as func

import durable as df
import starters
from activities import fulfilment, notices, payments, probes, stock, texts
from orchestrators import approval, batch, hello, monitor, order, payouts

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

for module in (hello, order, batch, payouts, approval, monitor):
    app.register_blueprint(module.bp)
for module in (payments, stock, fulfilment, notices, texts, probes):
    app.register_blueprint(module.bp)
app.register_blueprint(starters.bp)
