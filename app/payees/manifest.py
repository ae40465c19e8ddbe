"""What payees give to the processes."""

from app.core.manifest import Manifest
from app.payees import audit
from app.payees.models import PayeeClawback, PayeeHold

MANIFEST = Manifest(audits=[audit.audit], tables=[PayeeHold, PayeeClawback])
