"""What payments gives to the processes."""

from app.core.manifest import Manifest
from app.ledger import Account
from app.payments import audit, jobs, routes
from app.payments.callbacks import CALLBACK_ERRORS
from app.payments.models import ChargeRow, Discrepancy, RefundRow

TRANSFERS = {
    "charge_paid": frozenset(
        {Account.WECHAT_PENDING, Account.CUSTOMER_PREPAID, Account.TIPS_UNALLOTTED, Account.REFUNDS_DUE}
    ),
    "charge_quarantined": frozenset({Account.WECHAT_PENDING, Account.SUSPENSE}),
    "refund_paid": frozenset({Account.REFUNDS_DUE, Account.WECHAT_PENDING}),
}

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
    transfers=TRANSFERS,
    tables=[ChargeRow, RefundRow, Discrepancy],
)
