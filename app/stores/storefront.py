"""Stores as customers find and choose them."""

from uuid import UUID

from app.core.db import Listing, Session, Statement
from app.core.errors import NotFound
from app.core.ids import StoreId
from app.core.paging import Page, Paging
from app.stores.rules import near_point
from app.stores.schemas import ChosenStoreView, StoreCard

_CARD = "id, name, city, address, latitude, longitude, phone"
_OPEN = Listing(
    f"""SELECT {_CARD}, NULL::bigint AS distance_m FROM stores_store
        WHERE status = 'open' AND {{filters}} ORDER BY id LIMIT :limit""",
    StoreCard,
    filters={"city": "city = :city", "after": "id > :after"},
)
# The distance of the store behind the cursor counts though it may have closed meanwhile.
_NEAREST = Listing(
    f"""WITH placed AS (
            SELECT {_CARD}, status, (2 * 6371000 * asin(least(1, sqrt(
                power(sin(radians(latitude - :latitude) / 2), 2)
                + cos(radians(:latitude)) * cos(radians(latitude)) * power(sin(radians(longitude - :longitude) / 2), 2)
            ))))::bigint AS distance_m FROM stores_store
        )
        SELECT {_CARD}, distance_m FROM placed
        WHERE status = 'open' AND {{filters}} ORDER BY distance_m, id LIMIT :limit""",
    StoreCard,
    filters={
        "city": "city = :city",
        "after": "(distance_m, id) > (SELECT a.distance_m, a.id FROM placed a WHERE a.id = :after)",
    },
)
_OPEN_STORE = Statement(
    f"SELECT {_CARD}, NULL::bigint AS distance_m FROM stores_store WHERE id = :store_id AND status = 'open'",
    StoreCard,
)
_CHOSEN = Statement(
    f"""SELECT {_CARD}, NULL::bigint AS distance_m FROM stores_store
        WHERE status = 'open' AND id = (SELECT store_id FROM stores_chosen_store WHERE customer_id = :customer_id)""",
    StoreCard,
)
_CHOOSE = Statement(
    """INSERT INTO stores_chosen_store (customer_id, store_id) VALUES (:customer_id, :store_id)
       ON CONFLICT (customer_id) DO UPDATE SET store_id = excluded.store_id, chosen_at = excluded.chosen_at"""
)


async def find_stores(session: Session, paging: Paging, *, near: str | None, city: str | None) -> Page[StoreCard]:
    """Open stores, of one city if one is given: the nearest of a point first, else the oldest.

    Raises NearUnreadable, CursorInvalid.
    """
    if near is None:
        return await paging.read(session, StoreId, _OPEN, city=city)
    latitude, longitude = near_point(near)
    return await paging.read(session, StoreId, _NEAREST, latitude=latitude, longitude=longitude, city=city)


async def chosen_store(session: Session, customer_id: UUID) -> ChosenStoreView:
    """The store that the customer chose to look at, if any, while it is open."""
    return ChosenStoreView(store=await _CHOSEN.first(session, customer_id=customer_id))


async def choose_store(session: Session, customer_id: UUID, store_id: UUID) -> StoreCard:
    """The customer looks at this open store from now on; whom their orders are credited to does not change.

    Raises NotFound.
    """
    card = await _OPEN_STORE.first(session, store_id=store_id)
    if card is None:
        raise NotFound
    await _CHOOSE.run(session, customer_id=customer_id, store_id=store_id)
    return card
