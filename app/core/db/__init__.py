"""The database: transactions on plain asyncpg connections, and named statements with typed rows.

    _SKU = Statement("SELECT id, title FROM mall_sku WHERE id = :sku_id", SkuRow)

    async with database.transaction() as session:
        sku = await _SKU.first(session, sku_id=sku_id)

`Statement` has a fixed shape and runs on a generic plan. `Listing` composes its conditions from the filters that are
present and is planned for their values. `BulkInsert` takes its columns from a table, and may leave its rows for later, so
that several tables are written by one statement. Only the edge opens transactions;
functions of a module take the session and never commit.
"""

from app.core.db.bulk import BulkInsert
from app.core.db.database import Database, connect_arguments
from app.core.db.listings import Listing
from app.core.db.scope import within
from app.core.db.session import Session, TransactionFailed, savepoint
from app.core.db.statements import Statement, registered
from app.core.db.urls import ENGINE_URL, asyncpg_url

__all__ = [
    "ENGINE_URL",
    "BulkInsert",
    "Database",
    "Listing",
    "Session",
    "Statement",
    "TransactionFailed",
    "asyncpg_url",
    "connect_arguments",
    "registered",
    "savepoint",
    "within",
]
