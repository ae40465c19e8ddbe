"""Attribution: who is credited for a sale, decided once at checkout per line and frozen.

Promoters (who may be credited) are written by calls from stores and distribution. Touchpoints are links, codes and live
rooms; a touch is a customer's visit to one, seen by the server; a bond ties a customer to a promoter or a store.
`freeze` decides each line by settings: distributor = last valid share touch, else the bond; guide = the protected bond,
else the last guide touch; store = the guide's, else the room's, else the bond's, else the selling one; room = a touch
within a day with the product on its shelf. Targets (product, room, store) are opaque ids here.
"""

from app.attribution.freezing import Checkout, explain, first_credits, freeze, frozen_credits, orders_of_guide
from app.attribution.promoters import bind, bound_store, end_promoter, move_promoter, register_promoter
from app.attribution.schemas import (
    BondKind,
    LineCredit,
    LineExplanation,
    LineToCredit,
    PromoterKind,
    Reason,
    Touchpoint,
    TouchpointKind,
)
from app.attribution.shares import ShareStat, shares_of
from app.attribution.touches import close_room, enter_room, open_room, shelve, start_room, unshelve

__all__ = [
    "BondKind",
    "Checkout",
    "LineCredit",
    "LineExplanation",
    "LineToCredit",
    "PromoterKind",
    "Reason",
    "ShareStat",
    "Touchpoint",
    "TouchpointKind",
    "bind",
    "bound_store",
    "close_room",
    "end_promoter",
    "enter_room",
    "explain",
    "first_credits",
    "freeze",
    "frozen_credits",
    "move_promoter",
    "open_room",
    "orders_of_guide",
    "register_promoter",
    "shares_of",
    "shelve",
    "start_room",
    "unshelve",
]
