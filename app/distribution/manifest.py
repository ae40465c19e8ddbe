"""What distribution gives to the processes."""

from app.core.manifest import Manifest
from app.distribution import audit, consumers, routes
from app.distribution.models import Application, Commission, Distributor, LinkSale, LinkTotal, TermsRow

MANIFEST = Manifest(
    routers=routes.routers,
    tags={
        "distribution": "Applying to become a distributor.",
        "distribution: partner": "What distributors see: money, commissions and links.",
        "distribution: staff": "Applications, and the terms of commission.",
    },
    consumers=consumers.CONSUMERS,
    audits=[audit.audit],
    tables=[Application, Distributor, TermsRow, Commission, LinkSale, LinkTotal],
)
