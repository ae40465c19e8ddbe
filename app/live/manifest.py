"""What live gives to the processes."""

from app.core.manifest import Manifest
from app.ledger import Account
from app.live import audit, consumers, jobs, routes, rule_routes
from app.live.errors import SOCKET_ERRORS
from app.live.models import LiveMute, LiveRoom, LiveShelf, LiveTaking, LiveTally, LiveTip, LiveTipRule, LiveVisit
from app.live.settings import LiveSettings
from app.live.tip_refunds import REFUND_AGREED
from app.live.tips import COLLECTOR, KEPT, KEPT_BACK, SOURCE
from app.payees import transfers_of

MANIFEST = Manifest(
    settings=[LiveSettings],
    collectors=[COLLECTOR],
    routers=[*routes.routers, *rule_routes.routers],
    tags={
        "live": "Live rooms as viewers see them, and tips.",
        "live: staff": "Running live rooms.",
    },
    refusals={"the live socket": SOCKET_ERRORS},
    consumers=consumers.CONSUMERS,
    timers=jobs.TIMERS,
    audits=[audit.audit],
    transfers={
        **transfers_of(SOURCE, funded_by=Account.TIPS_UNALLOTTED),
        KEPT: frozenset({Account.TIPS_UNALLOTTED, Account.OTHER_INCOME}),
        KEPT_BACK: frozenset({Account.TIPS_UNALLOTTED, Account.OTHER_INCOME}),
        REFUND_AGREED: frozenset({Account.TIPS_UNALLOTTED, Account.REFUNDS_DUE}),
    },
    tables=[LiveRoom, LiveShelf, LiveMute, LiveVisit, LiveTip, LiveTaking, LiveTally, LiveTipRule],
)
