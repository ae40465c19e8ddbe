"""What distribution gives to the processes."""

from app.core.manifest import Manifest
from app.distribution import audit, consumers, routes
from app.distribution.commissions import SOURCE
from app.distribution.models import Application, Commission, Distributor, LinkSale, LinkTotal, TermsRow
from app.ledger import Account
from app.payees import transfers_of

MANIFEST = Manifest(
    routers=routes.routers,
    tags={
        "distribution": "Applying to become a distributor.",
        "distribution: partner": "What distributors see: money, commissions and links.",
        "distribution: staff": "Applications, and the terms of commission.",
    },
    consumers=consumers.CONSUMERS,
    audits=[audit.audit],
    transfers=transfers_of(SOURCE, funded_by=Account.PAYOUT_COST),
    tables=[Application, Distributor, TermsRow, Commission, LinkSale, LinkTotal],
)
