"""The metrics of one gateway process."""

from prometheus_client import Counter, Gauge

VIEWERS = Gauge("siyu_live_viewers", "Open live sockets of this process")
ROOMS = Gauge("siyu_live_rooms", "Rooms with at least one viewer in this process")
BUSY = Gauge("siyu_live_busy_share", "Share of a core that this process used when it last looked")
SENDING = Gauge("siyu_live_sending_share", "Share of a core that its fan-out used then")
EVENTS = Counter("siyu_live_events_total", "Stream events sent to the hot sets")
FRAMES = Counter("siyu_live_frames_total", "Frames written to viewers by fan-out")
SLOW = Counter("siyu_live_slow_total", "Viewers left out because their network could not keep up")
DROPPED = Counter("siyu_live_dropped_total", "Viewers disconnected because they stayed too slow")
FLOODS = Counter("siyu_live_floods_total", "Sockets aborted because they sent more than any client of ours would")
GAPS = Counter("siyu_live_gaps_total", "Gaps with a snapshot sent to viewers")
HEARD = Counter("siyu_live_heard_total", "Client frames by their outcome", ["outcome"])
REFUSED = Counter("siyu_live_refused_total", "Sockets refused before the upgrade", ["code"])
