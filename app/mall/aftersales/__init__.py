"""After-sales: refunds of paid orders, agreed by staff and paid out by payments.

A refund is owed from the moment it is agreed: money, stock, books and the event `RefundAgreed` are one transaction.
Payments sends it under the same id, and its word moves the refund to paid (`RefundPaid`) or stuck. Refunded quantity is
money, restocked quantity is goods.
"""

from app.mall.aftersales.events import RefundAgreed, RefundedLine, RefundPaid

__all__ = ["RefundAgreed", "RefundPaid", "RefundedLine"]
