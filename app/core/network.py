"""The rule that no network call runs while a transaction is open, as something that raises."""

from contextvars import ContextVar

_transaction_open: ContextVar[bool] = ContextVar("transaction_open", default=False)


class NetworkInsideTransaction(RuntimeError):
    """A client of WeChat or Redis was used while this task held a database transaction open: a bug, never a 4xx."""


def require_no_transaction(client: str) -> None:
    """Called by every client to the network. Raises NetworkInsideTransaction."""
    if _transaction_open.get():
        raise NetworkInsideTransaction(f"{client} was called while a database transaction was open")
