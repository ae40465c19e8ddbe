"""What live gives to the processes."""

from app.core.manifest import Manifest
from app.live import audit, consumers, jobs, routes, rule_routes
from app.live.errors import SOCKET_ERRORS
from app.live.models import LiveMute, LiveRoom, LiveShelf, LiveTaking, LiveTally, LiveTip, LiveTipRule, LiveVisit
from app.live.settings import LiveSettings
from app.live.tips import COLLECTOR

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
    tables=[LiveRoom, LiveShelf, LiveMute, LiveVisit, LiveTip, LiveTaking, LiveTally, LiveTipRule],
)
