"""Attribution: who is credited for a sale, decided once at checkout per line and frozen.

Promoters (who may be credited) are written by calls from stores and distribution. Touchpoints are links, codes and live
rooms; a touch is a customer's visit to one, seen by the server; a bond ties a customer to the distributor by whose link
they first came. `freeze` decides each line: guide = the last guide touch; distributor = the last share touch, else the
bond; room = the last visit to one with the product on its shelf; store = the guide's at the touch, else the room's, else
the selling one. Whoever cannot be credited (no promoter any more, the buyer, the guide of the line, staff as a
distributor) is passed over for the next. For how long each kind of touch counts, and whether staff may distribute, is a
versioned rule of headquarters. Targets (product, room, store) are
opaque ids here.
"""

from app.attribution.freezing import ORDERS_OF_GUIDE, Checkout, credits_of, credits_told_wrong, explain, freeze
from app.attribution.promoters import (
    dismiss,
    employ,
    end_promoter,
    may_distribute,
    move_promoter,
    register_promoter,
)
from app.attribution.schemas import (
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
    "Checkout",
    "LineCredit",
    "LineExplanation",
    "LineToCredit",
    "PromoterKind",
    "Reason",
    "ShareStat",
    "Touchpoint",
    "TouchpointKind",
    "close_room",
    "credits_of",
    "credits_told_wrong",
    "dismiss",
    "employ",
    "end_promoter",
    "enter_room",
    "explain",
    "freeze",
    "may_distribute",
    "move_promoter",
    "open_room",
    "register_promoter",
    "shares_of",
    "shelve",
    "start_room",
    "unshelve",
]
