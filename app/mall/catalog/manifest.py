"""What the catalog gives to the processes."""

from app.core.manifest import Manifest
from app.mall.catalog import routes
from app.mall.catalog.models import Category, Place, PlacePrice, Product, Sku, Stock

MANIFEST = Manifest(
    routers=routes.routers,
    tags={
        "mall": "The shop: products, quotes, orders and refunds of customers.",
        "mall: staff": "Catalog, stock, orders and refunds, for staff.",
    },
    tables=[Place, Category, Product, Sku, PlacePrice, Stock],
)
