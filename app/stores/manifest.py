"""What stores gives to the processes."""

from app.core.manifest import Manifest
from app.stores import audit, consumers, routes
from app.stores.models import ChosenStore, OrganisationUnit, PartyDay, PathDay, Performance, SplitRuleRow, Staff, Store

MANIFEST = Manifest(
    routers=routes.routers,
    consumers=consumers.CONSUMERS,
    audits=[audit.audit],
    tables=[OrganisationUnit, Store, ChosenStore, Staff, SplitRuleRow, Performance, PartyDay, PathDay],
)
