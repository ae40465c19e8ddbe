"""Payments: charges, refunds, and what WeChat says about them.

A charge is one attempt to be paid for a subject (an order, a tip) that a module above owns. That module hands down a
`Collector` with its own `settle`, opens the charge in its own transaction and gives the client what `prepay` answers; on
every word of payment (notification, the client's "I paid", closing, the overdue sweep) the collector calls `settle`, which
locks the subject and takes the money by a conditional update, with the cash entry in the same transaction. Refunds are
requested by `request_refund` and sent by a job under a number that never changes.
"""

from app.payments.charges import charge_with, close_charges, latest_charge, lock_charge, settle
from app.payments.collecting import Collector, Collectors, Due
from app.payments.discrepancies import discrepancy_count
from app.payments.errors import RefundExceedsPaid, RefundsExhausted, RefundTooLate
from app.payments.events import RefundStuck, RefundSucceeded
from app.payments.records import Charge
from app.payments.refund_views import refunds_by_themselves
from app.payments.refunds import request_refund, send_back, stuck_refunds
from app.payments.schemas import ChargeStatus, Outcome, PaymentView, RefundByItself, RefundKind

__all__ = [
    "Charge",
    "ChargeStatus",
    "Collector",
    "Collectors",
    "Due",
    "Outcome",
    "PaymentView",
    "RefundByItself",
    "RefundExceedsPaid",
    "RefundKind",
    "RefundStuck",
    "RefundSucceeded",
    "RefundTooLate",
    "RefundsExhausted",
    "charge_with",
    "close_charges",
    "discrepancy_count",
    "latest_charge",
    "lock_charge",
    "refunds_by_themselves",
    "request_refund",
    "send_back",
    "settle",
    "stuck_refunds",
]
