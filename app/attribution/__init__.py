"""Attribution: who is credited for a sale, decided once at checkout per line and frozen.

Promoters (who may be credited) are written by calls from stores and distribution. Touchpoints are links, codes and live
rooms; a touch is a customer's visit to one, seen by the server; a bond ties a customer to a promoter or a store.
`freeze` decides each line by settings: distributor = last valid share touch, else the bond; guide = the protected bond,
else the last guide touch; store = the guide's, else the room's, else the bond's, else the selling one; room = a touch
within a day with the product on its shelf. Targets (product, room, store) are opaque ids here.
"""

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

__all__ = [
    "BondKind",
    "LineCredit",
    "LineExplanation",
    "LineToCredit",
    "PromoterKind",
    "Reason",
    "Touchpoint",
    "TouchpointKind",
]
