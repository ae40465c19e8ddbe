"""WeChat's callbacks: what the routes of all rooms share."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse

from app.core.errors import AppError
from app.core.http import RuntimeDep
from app.payments.errors import PaymentMismatch
from app.wechat import Notification, NotificationRefused, WechatPay


async def _read(request: Request, runtime: RuntimeDep) -> Notification | NotificationRefused:
    try:
        return runtime.door(WechatPay).read_notification(request.headers, await request.body())
    except NotificationRefused as error:
        return error


Notified = Annotated[Notification | NotificationRefused, Depends(_read)]
"""The notification of this request, verified over its raw body, or why it cannot be trusted."""

CALLBACK_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "fits nothing of ours; recorded for finance"},
    401: {"description": "signature, serial or age is wrong; nothing was written"},
}


async def answer(notified: Notified, take: Callable[[Notification], Awaitable[None]]) -> Response:
    """Take the notification and answer WeChat: 204 once `take` has committed, else its own shape of a refusal, after
    which it sends the notification again."""
    if isinstance(notified, NotificationRefused):
        return _fail(notified)
    try:
        await take(notified)
    except PaymentMismatch as error:
        return _fail(error)
    return Response(status_code=204)


def _fail(error: AppError) -> JSONResponse:
    return JSONResponse({"code": "FAIL", "message": error.detail("zh")}, status_code=error.status)
