"""Every room's tables in one import: what migrations and the drift check compare with the database."""

import app.attribution.models
import app.core.models
import app.customers.models
import app.distribution.models
import app.ledger.models
import app.live.models
import app.mall.models
import app.payments.models
import app.stores.models  # noqa: F401  the tables make themselves known
