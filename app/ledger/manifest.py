"""What the ledger gives to the processes."""

from app.core.manifest import Manifest
from app.ledger import audit
from app.ledger.models import LedgerBalance, LedgerEntry, LedgerTransfer

MANIFEST = Manifest(
    audits=[audit.audit],
    transfer_audits=[audit.kinds_audit],
    tables=[LedgerTransfer, LedgerEntry, LedgerBalance],
)
