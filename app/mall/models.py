"""Every table of the mall."""

from app.mall.catalog.models import Category, Place, PlacePrice, Product, Sku, Stock
from app.mall.orders.models import Order, OrderLine, Refund, RefundLine

__all__ = ["Category", "Order", "OrderLine", "Place", "PlacePrice", "Product", "Refund", "RefundLine", "Sku", "Stock"]
