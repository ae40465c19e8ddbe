"""Errors of the catalog.

* Conflict
  + OutOfStock          fewer units are left at the place than were requested
  + NotOnSale           a product or store that cannot be bought from now
"""

from app.core.errors import Conflict
from app.core.ids import SkuId, StoreId


class OutOfStock(Conflict):
    """Fewer units are left than were requested; `details.sku` and `details.available` say where."""

    en = "Not enough stock."
    zh = "库存不足。"
    sku: SkuId
    available: int


class NotOnSale(Conflict):
    """`details.sku` or `details.store` is not sold now."""

    en = "This is not on sale here now."
    zh = "该商品或门店当前不可购买。"
    sku: SkuId | None = None
    store: StoreId | None = None
