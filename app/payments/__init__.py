"""Payments: charges, refunds, and what WeChat says about them.

A charge is one attempt to be paid for a subject (an order, a tip) that a room above owns. That room opens the charge in
its own transaction, asks WeChat with `prepay`, and on every word of payment (notification, the client's "I paid", the
sweep) locks its subject and calls `settle`, which decides by a conditional update and posts the cash in the same
transaction. Refunds are asked for by `request_refund` and sent by a job under a number that never changes.
"""

from app.payments.callbacks import CALLBACK_RESPONSES, Notified, answer
from app.payments.charges import (
    PAID_STATES,
    charge_of,
    charges_to_ask,
    close_charge,
    find_charge,
    fits,
    latest_charge,
    open_charge,
    open_charges,
    overdue_charges,
    settle,
)
from app.payments.discrepancies import discrepancy_count, record_discrepancy
from app.payments.errors import ChargeNotOpen, PaymentMismatch, RefundExceedsPaid
from app.payments.events import RefundStuck, RefundSucceeded
from app.payments.flows import Record, ask, close_at_wechat, prepay
from app.payments.refunds import request_refund, send_back, settle_refund, stuck_refunds
from app.payments.schemas import Charge, ChargeStatus, Outcome, PaymentView, SubjectKind

__all__ = [
    "CALLBACK_RESPONSES",
    "PAID_STATES",
    "Charge",
    "ChargeNotOpen",
    "ChargeStatus",
    "Notified",
    "Outcome",
    "PaymentMismatch",
    "PaymentView",
    "Record",
    "RefundExceedsPaid",
    "RefundStuck",
    "RefundSucceeded",
    "SubjectKind",
    "answer",
    "ask",
    "charge_of",
    "charges_to_ask",
    "close_at_wechat",
    "close_charge",
    "discrepancy_count",
    "find_charge",
    "fits",
    "latest_charge",
    "open_charge",
    "open_charges",
    "overdue_charges",
    "prepay",
    "record_discrepancy",
    "request_refund",
    "send_back",
    "settle",
    "settle_refund",
    "stuck_refunds",
]
