"""What after-sales gives to the processes."""

from app.core.manifest import Manifest
from app.mall.aftersales import audit, consumers, routes
from app.mall.aftersales.models import Refund, RefundLine

MANIFEST = Manifest(
    routers=routes.routers,
    consumers=consumers.CONSUMERS,
    audits=[audit.audit],
    tables=[Refund, RefundLine],
)
