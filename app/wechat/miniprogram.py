"""The client of the mini-program's server API: login codes, phone codes, code images.

Outside rules: developers.weixin.qq.com, "server API". Errors come as `errcode` in a 200 reply.
"""

import json
from typing import Any, Self
from urllib.parse import urlencode

from app.core.errors import RateLimited, Unclear, UpstreamFailed
from app.core.settings import Settings
from app.wechat.errors import CodeRefused, WechatRefused
from app.wechat.schemas import MiniProgramSession
from app.wechat.tokens import TokenKeeper
from app.wechat.transport import NoReply, Reply, Send, Transport

MAX_TOKEN_TRIES = 2

# 40029 unknown, expired or of the other kind; 40163 spent; 41008 empty; 40226 WeChat takes the person for a fraudster.
_CODE_REFUSED = {40029, 40163, 41008, 40226}
_TOKEN_REFUSED = {40001, 40014, 42001}
_BUSY = {-1, 45009}
_TOO_OFTEN = 45011


class MiniProgram:
    """The server API of one mini-program; open it once per process and close it with `close_client`.

    Each network method raises UpstreamFailed when WeChat gives no clear answer, WechatRefused for a clear no without
    a class of its own, and NetworkInsideTransaction when the caller holds a database transaction.
    """

    def __init__(self, transport: Transport, settings: Settings) -> None:
        self._transport = transport
        self._base_url = settings.wechat_api_base
        self._appid = settings.wechat_appid
        self._secret = settings.wechat_app_secret
        self._tokens = TokenKeeper(self._fetch_token)

    @classmethod
    def open(cls, settings: Settings, *, send: Send | None = None) -> Self:
        """Connects to nothing yet. `send` replaces the sockets."""
        return cls(Transport(settings.wechat_timeout_s, send), settings)

    async def close_client(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def session(self, code: str) -> MiniProgramSession:
        """Who the `wx.login` code belongs to; the session key is dropped here.

        A code works once, within five minutes. Raises CodeRefused, and RateLimited above 100 logins a minute of one
        person.
        """
        query = {
            "appid": self._appid,
            "secret": self._secret.get_secret_value(),
            "js_code": code,
            "grant_type": "authorization_code",
        }
        fields = _fields("session", await self._send("session", "GET", "/sns/jscode2session", query=query))
        return MiniProgramSession(openid=_text("session", fields, "openid"), unionid=fields.get("unionid") or None)

    async def phone_number(self, code: str) -> str:
        """The phone number that the person agreed to give, with its country code when it is a foreign one.

        `code` comes from the `getPhoneNumber` button; the one of `wx.login` is refused. WeChat bills each call.
        Raises CodeRefused.
        """
        response = await self._send_with_token("phone_number", "/wxa/business/getuserphonenumber", {"code": code})
        info = _fields("phone_number", response).get("phone_info")
        if not isinstance(info, dict):
            raise UpstreamFailed(call="phone_number", reason=Unclear.UNREADABLE)
        return _text("phone_number", info, "phoneNumber")

    async def code_image(self, *, scene: str, page: str) -> bytes:
        """The round code image that opens `page` with `scene`, as image bytes.

        Outside rules: scene 1 to 32 of `0-9A-Za-z!#$&'()*+,/:;=?@-._~`; page published, without a leading slash or a
        query; 5,000 a minute.
        """
        body = {"scene": scene, "page": page, "env_version": "release", "check_path": True}
        response = await self._send_with_token("code_image", "/wxa/getwxacodeunlimit", body)
        if response.content.lstrip()[:1] in (b"{", b""):
            _fields("code_image", response)
            raise UpstreamFailed(call="code_image", reason=Unclear.UNREADABLE)
        return response.content

    async def _fetch_token(self) -> tuple[str, int]:
        body = {
            "grant_type": "client_credential",
            "appid": self._appid,
            "secret": self._secret.get_secret_value(),
            "force_refresh": False,
        }
        fields = _fields("token", await self._send("token", "POST", "/cgi-bin/stable_token", body=body))
        life_s = fields.get("expires_in")
        if not isinstance(life_s, int) or life_s <= 0:
            raise UpstreamFailed(call="token", reason=Unclear.UNREADABLE)
        return _text("token", fields, "access_token"), life_s

    async def _send_with_token(self, call: str, path: str, body: dict[str, Any]) -> Reply:
        """A POST with the token; a token that WeChat no longer takes is fetched anew once."""
        for _ in range(MAX_TOKEN_TRIES):
            token = await self._tokens.token()
            response = await self._send(call, "POST", path, query={"access_token": token}, body=body)
            if _errcode(response) not in _TOKEN_REFUSED:
                return response
            self._tokens.forget(token)
        raise UpstreamFailed(call=call, reason=Unclear.UNAUTHORISED)

    async def _send(
        self,
        call: str,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> Reply:
        # Some of these endpoints do not decode \u escapes, so the text goes out as it is.
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        url = f"{self._base_url}{path}?{urlencode(query)}" if query else f"{self._base_url}{path}"
        try:
            response = await self._transport.request(method, url, headers=headers, content=content)
        except NoReply as error:
            raise UpstreamFailed(call=call, reason=error.reason) from error
        if response.status_code != 200:
            raise UpstreamFailed(call=call, reason=Unclear.UNCLEAR, http_status=response.status_code)
        return response


def _object(response: Reply) -> dict[str, Any] | None:
    if response.content.lstrip()[:1] != b"{":
        return None
    try:
        fields = json.loads(response.content)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _errcode(response: Reply) -> int:
    code = (_object(response) or {}).get("errcode", 0)
    return code if isinstance(code, int) else 0


def _fields(call: str, response: Reply) -> dict[str, Any]:
    """The reply's fields, once its errcode is 0 or absent. The content type is not looked at: login answers text/plain."""
    fields = _object(response)
    if fields is None:
        raise UpstreamFailed(call=call, reason=Unclear.UNREADABLE)
    code = _errcode(response)
    if code in _CODE_REFUSED:
        raise CodeRefused(call=call, wechat_code=str(code))
    if code == _TOO_OFTEN:
        raise RateLimited(retry_after_ms=60_000)
    if code in _BUSY:
        raise UpstreamFailed(call=call, reason=Unclear.BUSY, wechat_code=str(code))
    if code:
        raise WechatRefused(call=call, wechat_code=str(code))
    return fields


def _text(call: str, fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise UpstreamFailed(call=call, reason=Unclear.UNREADABLE)
    return value
