"""What orders give to the processes."""

from app.core.manifest import Manifest
from app.mall.orders import audit, jobs, routes
from app.mall.orders.models import Order, OrderLine
from app.mall.orders.payment import COLLECTOR
from app.mall.orders.settings import OrderSettings

MANIFEST = Manifest(
    routers=routes.routers,
    timers=jobs.TIMERS,
    audits=[audit.audit],
    tables=[Order, OrderLine],
    settings=[OrderSettings],
    collectors=[COLLECTOR],
)
