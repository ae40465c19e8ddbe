"""What after-sales gives to the processes."""

from app.core.manifest import Manifest
from app.ledger import Account
from app.mall.aftersales import audit, consumers, routes
from app.mall.aftersales.models import Refund, RefundLine

MANIFEST = Manifest(
    routers=routes.routers,
    consumers=consumers.CONSUMERS,
    audits=[audit.audit],
    transfers={"refund_agreed": frozenset({Account.CUSTOMER_PREPAID, Account.REFUNDS_DUE})},
    tables=[Refund, RefundLine],
)
