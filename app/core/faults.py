"""Which errors heal by themselves: on another connection, or a moment later. HTTP, worker and log ask here alike."""

import asyncpg
from redis.exceptions import RedisError

_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # the server stops, or somebody ended the connection
    asyncpg.InternalClientError,
    ConnectionError,
    TimeoutError,
)
_SPOILT = (
    asyncpg.ReadOnlySQLTransactionError,  # a primary that became a standby
    asyncpg.InvalidCachedStatementError,  # the schema changed under a prepared statement
    asyncpg.OutdatedSchemaCacheError,
)
_LATER = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.InsufficientResourcesError,  # no memory, no disk, no connection
    asyncpg.CannotConnectNowError,
    RedisError,
    OSError,
)


def _cause(error: BaseException) -> BaseException:
    """The error below those that only wrap it; a TimeoutError itself wraps the cancellation that it was made of."""
    while isinstance(error.__cause__, Exception) and not isinstance(error, asyncpg.PostgresError):
        error = error.__cause__
    return error


def _is_lost(error: BaseException) -> bool:
    # The driver uses one class for a lost connection and for a statement that we wrote wrongly.
    if isinstance(error, asyncpg.InterfaceError):
        return "connection" in str(error)
    return isinstance(error, _LOST)


def spoils_connection(error: BaseException) -> bool:
    """Whether the connection that raised this must not be used again."""
    return _is_lost(error) or isinstance(error, _SPOILT)


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later by itself: connection lost or read-only, stale prepared statement,
    deadlock, time-out, shutdown, full disk, Redis away."""
    cause = _cause(error)
    return spoils_connection(cause) or isinstance(cause, _LATER)
