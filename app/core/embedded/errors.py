"""What may go wrong while the embedded servers come up. These stop the program; no HTTP caller ever sees them.

* EngineFailed        a server cannot be started here; the message ends with the tail of its log
  + EngineNotReady    another process owns the server, but it did not answer in time
"""

from app.core.operator_errors import OperatorError


class EngineFailed(OperatorError):
    """An embedded server cannot be started; the message says which one, why, and how its log ends."""


class EngineNotReady(EngineFailed):
    """Another living process owns the server, and the server did not accept connections within the wait."""
