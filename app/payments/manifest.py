"""What payments gives to the processes."""

from app.core.manifest import Manifest
from app.payments import audit, jobs, routes
from app.payments.callbacks import CALLBACK_ERRORS
from app.payments.models import ChargeRow, Discrepancy, RefundRow

MANIFEST = Manifest(
    routers=routes.routers,
    tags={
        "callbacks": "What WeChat calls.",
        "payments: staff": "What finance has to look at.",
    },
    refusals={"WeChat's callbacks": CALLBACK_ERRORS},
    jobs=jobs.JOBS,
    timers=jobs.TIMERS,
    audits=[audit.audit],
    tables=[ChargeRow, RefundRow, Discrepancy],
)
