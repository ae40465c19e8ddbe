"""Every room's tables in one import: what migrations and the drift check compare with the database."""

import app.core.models
import app.ledger.models  # noqa: F401
