"""The client of WeChat Pay (APIv3, public-key mode): an adapter over the `wechatpayv3` SDK that cures its faults.

The SDK signs, verifies and decrypts. This adapter adds what it lacks: a deadline, typed results and errors, an
allow-list of one serial, the age of signatures, and silence in the logs.
"""

import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar
from urllib.parse import quote

from wechatpayv3.async_ import AsyncWeChatPay, WeChatPayType

from app.core.clock import CHINA
from app.core.errors import AppError, Unclear, UpstreamFailed
from app.core.settings import Settings
from app.wechat import notifications
from app.wechat.errors import (
    ChargeAlreadyPaid,
    ChargeClosedAtWechat,
    RefundFundsShort,
    RefundRefused,
    TradeNumberReused,
    WechatRefused,
)
from app.wechat.keys import private_key_pem, public_key_pem, require_keys
from app.wechat.replies import read_refund, read_transaction
from app.wechat.schemas import ClientParameters, Notification, RefundStatus, Transaction
from app.wechat.transport import NoReply, SdkClient, Send, Transport

_T = TypeVar("_T")
_READABLE_CODE = re.compile(r"[A-Z0-9_]{1,64}")

# The documentation and its older pages spell several codes in two ways.
_PAID = {"ORDERPAID", "ORDER_PAID"}
_CLOSED = {"ORDER_CLOSED", "ORDERCLOSED"}
_UNKNOWN = {"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"}
_REUSED = {"OUT_TRADE_NO_USED", "INVALID_REQUEST"}
_MISCONFIGURED = {"SIGN_ERROR", "NO_AUTH", "NOAUTH", "MCH_NOT_EXISTS", "APPID_MCHID_NOT_MATCH"}


@dataclass(frozen=True, slots=True)
class _Answer:
    """A clear answer: 2xx with its fields, or 4xx with WeChat's code."""

    call: str
    status: int
    fields: dict[str, Any]
    code: str

    def refusal(self, kind: type[AppError]) -> AppError:
        return kind(call=self.call, http_status=self.status, wechat_code=self.code)

    def unclear(self) -> UpstreamFailed:
        return UpstreamFailed(call=self.call, reason=Unclear.UNREADABLE, http_status=self.status)


class WechatPay:
    """WeChat Pay for one merchant number; open it once per process and close it with `close_client`.

    Each network method raises UpstreamFailed when the answer is not clear (deadline passed, 5xx, too many requests, not
    verifiably from WeChat): the thing may or may not have happened, and the same number may be sent or asked for
    again. Each raises WechatRefused for a clear no without a class of its own, and NetworkInsideTransaction when the
    caller holds a database transaction.
    """

    def __init__(self, sdk: Any, transport: Transport, settings: Settings) -> None:
        self._sdk = sdk
        self._transport = transport
        self.mchid = settings.wechat_mchid
        self._public_key_id = settings.wechat_pay_public_key_id

    @classmethod
    def open(cls, settings: Settings, *, send: Send | None = None) -> Self:
        """Reads keys, connects to nothing. `send` replaces the sockets.

        Raises ConfigurationInvalid when a key is missing or unreadable.
        """
        require_keys(settings)
        sdk = AsyncWeChatPay(
            wechatpay_type=WeChatPayType.MINIPROG,
            mchid=settings.wechat_mchid,
            private_key=private_key_pem(settings.wechat_mch_private_key.get_secret_value()),
            cert_serial_no=settings.wechat_mch_serial,
            appid=settings.wechat_appid,
            apiv3_key=settings.wechat_apiv3_key.get_secret_value(),
            # Given a logger, the SDK writes decrypted notifications to it.
            logger=None,
            public_key=public_key_pem(settings.wechat_pay_public_key),
            public_key_id=settings.wechat_pay_public_key_id,
        )
        transport = Transport(settings.wechat_timeout_s, send)
        # The SDK has no public way to change its host or to bring a client; the version is pinned for this.
        sdk._core._gate_way = settings.wechat_pay_base
        sdk._core._client = SdkClient(transport, public_key_id=settings.wechat_pay_public_key_id)
        return cls(sdk, transport, settings)

    async def close_client(self) -> None:
        """Closes the connections (closing a charge is `close`)."""
        await self._transport.close()

    async def prepay(
        self,
        *,
        out_trade_no: str,
        description: str,
        amount_fen: int,
        payer_openid: str,
        appid: str,
        expires_at: datetime,
        notify_url: str,
    ) -> str:
        """Opens the charge at WeChat, or finds it open with the same parameters; the prepay id lives two hours.

        Outside rules: number 6 to 32 of `0-9A-Za-z_-|*`, description up to 127 characters, `expires_at` at least a minute
        ahead and never changed for a number, notify_url https without a query.
        Raises ChargeAlreadyPaid, ChargeClosedAtWechat, TradeNumberReused. WeChat says INVALID_REQUEST both for a number
        with changed parameters and for some other faults of a request; it is read as the first.
        """
        assert amount_fen >= 1
        assert expires_at.tzinfo is not None
        answer = await self._ask(
            "prepay",
            lambda: self._sdk.pay(
                description=description,
                out_trade_no=out_trade_no,
                amount={"total": amount_fen, "currency": "CNY"},
                payer={"openid": payer_openid},
                time_expire=expires_at.astimezone(CHINA).isoformat(timespec="seconds"),
                notify_url=notify_url,
                appid=appid,
            ),
        )
        if answer.status == 200:
            prepay_id = answer.fields.get("prepay_id")
            if not isinstance(prepay_id, str) or not prepay_id:
                raise answer.unclear()
            return prepay_id
        if answer.code in _PAID:
            raise answer.refusal(ChargeAlreadyPaid)
        if answer.code in _CLOSED:
            raise answer.refusal(ChargeClosedAtWechat)
        if answer.code in _REUSED:
            raise answer.refusal(TradeNumberReused)
        raise answer.refusal(WechatRefused)

    async def query(self, out_trade_no: str) -> Transaction | None:
        """The charge as WeChat sees it now; None when WeChat knows no such number."""
        answer = await self._ask("query", lambda: self._sdk.query(out_trade_no=quote(out_trade_no, safe="")))
        if answer.status == 200:
            transaction = _read(answer, read_transaction)
            if transaction.out_trade_no != out_trade_no:
                raise answer.unclear()
            return transaction
        if answer.status == 404 and answer.code in _UNKNOWN:
            return None
        raise answer.refusal(WechatRefused)

    async def close(self, out_trade_no: str) -> bool:
        """Makes sure that the number cannot be paid any more. False when WeChat does not know it: then it cannot be paid
        now, and a request that is on its way may still open it.

        Raises ChargeAlreadyPaid when the payer was faster.
        """
        answer = await self._ask("close", lambda: self._sdk.close(out_trade_no=quote(out_trade_no, safe="")))
        if answer.status == 204 or answer.code in _CLOSED:
            return True
        if answer.code in _UNKNOWN:
            return False
        if answer.code in _PAID:
            raise answer.refusal(ChargeAlreadyPaid)
        raise answer.unclear() if answer.status < 300 else answer.refusal(WechatRefused)

    async def refund(
        self,
        *,
        out_refund_no: str,
        out_trade_no: str,
        refund_fen: int,
        total_fen: int,
        reason: str,
        notify_url: str,
    ) -> RefundStatus:
        """Asks for a refund; the same number refunds once, so send it again with the same number until it is clear.

        Success means accepted: PROCESSING turns final later. Outside rules: within 365 days, at most 50 parts of one
        charge, together at most what was paid, reason up to 80 characters. Raises RefundRefused, RefundFundsShort.
        """
        assert 1 <= refund_fen <= total_fen
        answer = await self._ask(
            "refund",
            lambda: self._sdk.refund(
                out_refund_no=out_refund_no,
                out_trade_no=out_trade_no,
                amount={"refund": refund_fen, "total": total_fen, "currency": "CNY"},
                reason=reason,
                notify_url=notify_url,
            ),
        )
        if answer.status == 200:
            status = _read(answer, read_refund)
            if status.out_refund_no != out_refund_no:
                raise answer.unclear()
            return status
        if answer.status < 300:
            raise answer.unclear()
        if answer.code == "NOT_ENOUGH":
            raise answer.refusal(RefundFundsShort)
        if answer.status == 401 or answer.code in _MISCONFIGURED:
            raise answer.refusal(WechatRefused)
        raise answer.refusal(RefundRefused)

    async def query_refund(self, out_refund_no: str) -> RefundStatus | None:
        """The refund as WeChat sees it now; None when WeChat knows no such number."""
        answer = await self._ask("query_refund", lambda: self._sdk.query_refund(quote(out_refund_no, safe="")))
        if answer.status == 200:
            status = _read(answer, read_refund)
            if status.out_refund_no != out_refund_no:
                raise answer.unclear()
            return status
        if answer.status == 404 and answer.code in _UNKNOWN:
            return None
        raise answer.refusal(WechatRefused)

    def client_parameters(self, prepay_id: str, appid: str) -> ClientParameters:
        """The signed argument of `wx.requestPayment` for this prepay id."""
        timestamp = str(int(time.time()))
        nonce = secrets.token_hex(16)
        package = f"prepay_id={prepay_id}"
        signature = self._sdk.sign([appid, timestamp, nonce, package])
        return ClientParameters(timeStamp=timestamp, nonceStr=nonce, package=package, signType="RSA", paySign=signature)

    def read_notification(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Verifies and decrypts; `body` must be the raw bytes. Raises NotificationRefused and nothing else."""
        return notifications.read(self._sdk, public_key_id=self._public_key_id, headers=headers, body=body)

    async def _ask(self, call: str, send: Callable[[], Awaitable[tuple[int, str | bytes]]]) -> _Answer:
        try:
            status, content = await send()
        except NoReply as error:
            raise UpstreamFailed(call=call, reason=error.reason) from error
        except Exception as error:
            if type(error) is not Exception:
                raise
            # The SDK's only word for a wrong or missing signature is a bare Exception.
            raise UpstreamFailed(call=call, reason=Unclear.UNVERIFIED) from error
        return _clear_answer(call, status, content)


def _clear_answer(call: str, status: int, content: str | bytes) -> _Answer:
    fields: Any = {}
    try:
        if content:
            fields = json.loads(content)
        if not isinstance(fields, dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise UpstreamFailed(call=call, reason=Unclear.UNREADABLE, http_status=status) from error
    code = str(fields.get("code", ""))
    code = code if _READABLE_CODE.fullmatch(code) else ""
    if status == 429 or status >= 500 or 300 <= status < 400 or (status >= 400 and not code):
        raise UpstreamFailed(call=call, reason=Unclear.UNCLEAR, http_status=status, wechat_code=code)
    return _Answer(call, status, fields, code)


def _read(answer: _Answer, read: Callable[[object], _T]) -> _T:
    try:
        return read(answer.fields)
    except ValueError as error:
        raise answer.unclear() from error
