"""What payees give to the processes."""

from app.core.manifest import Manifest
from app.payees import audit
from app.payees.models import PayeeHold, PayeeTakeBack

MANIFEST = Manifest(audits=[audit.audit], tables=[PayeeHold, PayeeTakeBack])
