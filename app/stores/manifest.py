"""What stores gives to the processes."""

from app.core.manifest import Manifest
from app.stores import audit, consumers, routes
from app.stores.models import ChosenStore, OrganisationUnit, PartyDay, PathDay, Performance, SplitRuleRow, Staff, Store

MANIFEST = Manifest(
    routers=routes.routers,
    tags={
        "stores": "Finding and choosing a store.",
        "stores: staff": "The organisation, its staff and stores, and their performance.",
    },
    consumers=consumers.CONSUMERS,
    audits=[audit.audit_entries, audit.audit_totals],
    tables=[OrganisationUnit, Store, ChosenStore, Staff, SplitRuleRow, Performance, PartyDay, PathDay],
)
