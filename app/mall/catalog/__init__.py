"""The catalog: what is sold, where and for how much: categories, products, SKUs, places and their stock.

A place is where stock lies and orders are sold from; `stores` opens one for each store by a call, and nothing here asks
what a store is. Stock moves by conditional statements whose row count decides: reserved for an unpaid order, committed
when it is paid, released when it is closed, restocked when goods come back. `offers` answers what SKUs cost at a place now.
"""

from app.mall.catalog.cards import product_cards
from app.mall.catalog.errors import NotOnSale, OutOfStock
from app.mall.catalog.offers import Offer, PlaceOffers, offers
from app.mall.catalog.places import BRAND_BOOK, open_place, update_place
from app.mall.catalog.schemas import ProductCard, StoreLabel
from app.mall.catalog.stock import Quantities, commit, release, reserve, restock

__all__ = [
    "BRAND_BOOK",
    "NotOnSale",
    "Offer",
    "OutOfStock",
    "PlaceOffers",
    "ProductCard",
    "Quantities",
    "StoreLabel",
    "commit",
    "offers",
    "open_place",
    "product_cards",
    "release",
    "reserve",
    "restock",
    "update_place",
]
