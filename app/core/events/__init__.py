"""The event log: how events go up.

A function calls `publish(session, SomethingHappened(…))` with the row of the event's subject locked; the row lands in
`event_outbox` in the caller's transaction. The sequencer moves finished rows into `event` and numbers them without gaps.
Consumers read by number: a `Transactional` one applies a batch and moves its cursor in one transaction (exactly once, in
order); a `Relay` sends outside any transaction with the number as the receiver's dedupe key (at least once,
deduplicated). An event that keeps failing becomes a dead letter with its error; later events of its stream wait behind
it, others pass, and `replay` applies them once the cause is mended.
"""

from app.core.events.consumers import Consumer, Relay, Transactional, is_behind, register, run_once
from app.core.events.dead_letters import DeadLetterView, list_dead_letters, replay
from app.core.events.lag import dead_letter_count, lag
from app.core.events.log import Event, Recorded, publish
from app.core.events.sequencer import NUMBERED_CHANNEL, is_anything_waiting, sequence_once

__all__ = [
    "NUMBERED_CHANNEL",
    "Consumer",
    "DeadLetterView",
    "Event",
    "Recorded",
    "Relay",
    "Transactional",
    "dead_letter_count",
    "is_anything_waiting",
    "is_behind",
    "lag",
    "list_dead_letters",
    "publish",
    "register",
    "replay",
    "run_once",
    "sequence_once",
]
