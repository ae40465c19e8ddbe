"""Prices: what a basket costs at a place now, line by line, the same code for the quote and for checkout.

Today a line costs its list price at the place. Discounts will stand between `goods_fen` and `goods_paid_fen` of a line,
each with its reason; the rest of the mall reads the trail and never computes a price of its own.
"""

from app.mall.promotions.errors import LineRepeated
from app.mall.promotions.pricing import BasketLine, Priced, price
from app.mall.promotions.rules import Price, PricedLine
from app.mall.promotions.schemas import CouponReason, DiscountKind

__all__ = ["BasketLine", "CouponReason", "DiscountKind", "LineRepeated", "Price", "Priced", "PricedLine", "price"]
