"""Attribution: who is credited for a sale, decided once at checkout per line and frozen.

Promoters (who may be credited) are written by calls from stores and distribution. Touchpoints are links, codes and live
rooms; a touch is a customer's visit to one, seen by the server; a bond ties a customer to a promoter or a store.
`freeze` decides each line: distributor = last valid share touch, else the bond; guide = the protected bond, else the last
guide touch; store = the guide's, else the room's, else the bond's, else the selling one; room = the last visit to one with
the product on its shelf. For how long each kind of touch counts is a versioned rule of headquarters. Targets (product,
room, store) are opaque ids here.
"""

from app.attribution.freezing import ORDERS_OF_GUIDE, Checkout, credits_of, explain, freeze
from app.attribution.promoters import bind, end_promoter, move_promoter, register_promoter
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
    "ORDERS_OF_GUIDE",
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
    "close_room",
    "credits_of",
    "end_promoter",
    "enter_room",
    "explain",
    "freeze",
    "move_promoter",
    "open_room",
    "register_promoter",
    "shares_of",
    "shelve",
    "start_room",
    "unshelve",
]
