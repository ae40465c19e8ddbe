"""WeChat's callbacks: read with the addressed merchant's key, taken, and answered in WeChat's own shape."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse

from app.core.errors import AppError, NotFound
from app.core.http import RuntimeDep, View
from app.core.runtime import Runtime
from app.payments.charges import PAID_STATES
from app.payments.collecting import Collectors
from app.payments.errors import EventUnexpected, PaymentMismatch
from app.payments.refunds import settle_refund
from app.wechat import Notification, NotificationRefused, WechatPay


async def _read(merchant: str, request: Request, runtime: RuntimeDep) -> Notification | AppError:
    pay = runtime.client(WechatPay)
    if merchant != pay.mchid:
        return NotFound()
    try:
        return pay.read_notification(request.headers, await request.body())
    except NotificationRefused as error:
        return error


Notified = Annotated[Notification | AppError, Depends(_read)]
"""The notification of this request, verified over its raw body, or why it cannot be trusted."""

CALLBACK_ERRORS = (EventUnexpected, PaymentMismatch, NotificationRefused, NotFound)
"""What WeChat is told in its own form; only the status says which."""


class CallbackRefusal(View):
    """WeChat's own form of a refusal, after which it sends the notification again."""

    code: Literal["FAIL"]
    message: str


CALLBACK_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {
        "model": CallbackRefusal,
        "description": "fits nothing of ours, or is no event of this address; the former is recorded for finance",
    },
    401: {"model": CallbackRefusal, "description": "signature, serial or age is wrong; nothing was written"},
    404: {"model": CallbackRefusal, "description": "no merchant of ours"},
}

Take = Callable[[Runtime, Notification], Awaitable[None]]


async def answer(runtime: Runtime, notified: Notification | AppError, take: Take) -> Response:
    """Take the notification and answer WeChat: 204 once `take` has committed, else its own shape of a refusal, after
    which it sends the notification again."""
    if isinstance(notified, AppError):
        return _refuse(notified)
    try:
        await take(runtime, notified)
    except (PaymentMismatch, EventUnexpected) as error:
        return _refuse(error)
    return Response(status_code=204)


def _refuse(error: AppError) -> JSONResponse:
    body = CallbackRefusal(code="FAIL", message=error.detail("zh"))
    return JSONResponse(body.model_dump(), status_code=error.status_code)


async def take_transaction(runtime: Runtime, notification: Notification) -> None:
    """A payment, of whatever subject. A transaction that is not paid changes nothing.

    Raises EventUnexpected for another kind of event, and PaymentMismatch after recording what does not fit.
    """
    if notification.transaction is None:
        raise EventUnexpected(event_type=notification.event_type)
    if notification.transaction.state in PAID_STATES:
        await runtime.client(Collectors).take(runtime, notification.transaction)


async def take_refund(runtime: Runtime, notification: Notification) -> None:
    """A refund's word; an unknown number changes nothing. Raises EventUnexpected for another kind of event."""
    if notification.refund is None:
        raise EventUnexpected(event_type=notification.event_type)
    async with runtime.db.transaction() as session:
        await settle_refund(session, notification.refund)
