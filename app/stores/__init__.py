"""Stores: the organisation, its staff and their logins, and the performance of stores and guides.

The organisation is a tree: headquarters `/hq/`, regions below it, stores at its leaves. A path is made of codes that
never change (`/hq/north/s001/`); whoever works there reaches what begins with the same path, and nothing else. Opening
a store opens its stock place in the mall; adding a guide or a manager registers a promoter in attribution; leaving ends
both the promoter and every login at once.

Performance is goods paid, split between store and guide by the rule that was valid when the order was placed, written by
a consumer of the mall's events into append-only entries. Parts sum to the goods paid exactly; each refund adds negative
entries, the new split of what remains less the split before, so any series of part refunds ends at 0. The same transaction
adds them to totals by China day, which rankings read: a long period costs its days, not its orders.
"""

from app.stores.errors import LoginTaken
from app.stores.flows import create_headquarters
from app.stores.organisation import StoreRef, reachable_store, store_refs
from app.stores.performance import performance_of
from app.stores.schemas import HeadquartersCreate, PerformanceEntry, SplitRole
from app.stores.staff import account_of, staff_names

__all__ = [
    "HeadquartersCreate",
    "LoginTaken",
    "PerformanceEntry",
    "SplitRole",
    "StoreRef",
    "account_of",
    "create_headquarters",
    "performance_of",
    "reachable_store",
    "staff_names",
    "store_refs",
]
