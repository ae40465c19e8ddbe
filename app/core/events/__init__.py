"""The event log: how facts go up.

A verb calls `publish(session, Fact)` while it holds the row of the fact's subject; the row lands in `event_inbox` in the
caller's transaction. The sequencer moves finished rows into `event` and numbers them without gaps. Consumers read by
number: a `Transactional` one applies a batch and moves its cursor in one transaction (exactly once, in order); a
`Relay` sends outside any transaction with the number as the receiver's dedupe key (at least once, deduplicated).
An event that keeps failing is parked with its error; later events of its stream wait behind it, others pass, and
`replay` heals it.
"""

from app.core.events.consumers import Consumer, Relay, Transactional, run_once
from app.core.events.lag import lag, parked_count
from app.core.events.log import Fact, Recorded, publish, publish_many
from app.core.events.parked import ParkedView, list_parked, replay
from app.core.events.sequencer import sequence_once

__all__ = [
    "Consumer",
    "Fact",
    "ParkedView",
    "Recorded",
    "Relay",
    "Transactional",
    "lag",
    "list_parked",
    "parked_count",
    "publish",
    "publish_many",
    "replay",
    "run_once",
    "sequence_once",
]
