"""What the catalog gives to the processes."""

from app.core.manifest import Manifest
from app.mall.catalog import routes
from app.mall.catalog.models import Category, Place, PlacePrice, Product, Sku, Stock

MANIFEST = Manifest(
    routers=routes.routers,
    tables=[Place, Category, Product, Sku, PlacePrice, Stock],
)
