"""The metrics of one gateway process."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

REGISTRY = CollectorRegistry()
"""Of its own: the commands import every process, and a gateway shows what is its own alone."""

ProcessCollector(registry=REGISTRY)
_Gauge, _Counter = partial(Gauge, registry=REGISTRY), partial(Counter, registry=REGISTRY)

VIEWERS = _Gauge("siyu_live_viewers", "Open live sockets of this process")
ROOMS = _Gauge("siyu_live_rooms", "Rooms with at least one viewer in this process")
BUSY = _Gauge("siyu_live_busy_share", "Share of a core that this process used when it last looked")
SENDING = _Gauge("siyu_live_sending_share", "Share of a core that its fan-out used then")
EVENTS = _Counter("siyu_live_events_total", "Stream events sent to the hot sets")
FRAMES = _Counter("siyu_live_frames_total", "Frames written to viewers by fan-out")
SLOW = _Counter("siyu_live_slow_total", "Viewers left out because their network could not keep up")
DROPPED = _Counter("siyu_live_dropped_total", "Viewers disconnected because they stayed too slow")
FLOODS = _Counter("siyu_live_floods_total", "Sockets aborted because they sent more than any client of ours would")
GAPS = _Counter("siyu_live_gaps_total", "Gaps with a snapshot sent to viewers")
HEARD = _Counter("siyu_live_heard_total", "Client frames by their outcome", ["outcome"])
REFUSED = _Counter("siyu_live_refused_total", "Sockets refused before the upgrade", ["code"])
