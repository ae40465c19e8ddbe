"""The simulated mini-program: buyers, their codes, access tokens, code images.

Outside rules: developers.weixin.qq.com, "server API". A login code works once within five minutes; a phone code is of
another kind; a stable token lives 7,200 s and is replaced within its last five minutes while both work.
"""

import io
import re
import secrets
from typing import Any

from starlette.routing import Route

from app.simulator.state import Buyer, Code, CodeKind, Simulator, Token, keep
from app.simulator.wire import WireRequest, mini_endpoint

CODE_LIFE_S = 300
TOKEN_LIFE_S = 7200
TOKEN_OVERLAP_S = 300

_SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}")
_PAGE = re.compile(r"[0-9A-Za-z_\-]+(/[0-9A-Za-z_\-]+)*")
_VERSIONS = {"release", "trial", "develop"}


class _No(Exception):
    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errcode)
        self.body = {"errcode": errcode, "errmsg": errmsg}


def make_buyer(simulator: Simulator, *, openid: str | None, unionid: str | None, phone: str | None) -> Buyer:
    """The buyer with this openid, made when new; a given unionid or phone replaces the known one."""
    openid = openid or f"o{secrets.token_urlsafe(21)[:27]}"
    known = simulator.buyers.get(openid)
    if known is None:
        known = Buyer(openid, unionid, phone or f"138{secrets.randbelow(10**8):08d}")
        keep(simulator.buyers, openid, known)
    known.unionid = unionid or known.unionid
    known.phone = phone or known.phone
    return known


def make_code(simulator: Simulator, buyer: Buyer, kind: CodeKind) -> str:
    """A fresh code, as the mini-program would get it from `wx.login` or from the phone button."""
    value = secrets.token_urlsafe(24)
    keep(simulator.codes, value, Code(kind, buyer.openid, simulator.clock.now_s() + CODE_LIFE_S))
    return value


def _take_code(simulator: Simulator, value: object, kind: CodeKind) -> Buyer:
    code = simulator.codes.get(value) if isinstance(value, str) else None
    buyer = simulator.buyers.get(code.openid) if code else None
    if code is None or buyer is None or code.kind != kind or simulator.clock.now_s() >= code.expires_s:
        raise _No(40029, "invalid code")
    if code.spent:
        raise _No(40163, "code been used")
    code.spent = True
    return buyer


def _session(request: WireRequest) -> dict[str, Any]:
    try:
        _check_app(request.simulator, request.query.get("appid"), request.query.get("secret"))
        buyer = _take_code(request.simulator, request.query.get("js_code"), "login")
    except _No as no:
        return no.body
    session = {"session_key": secrets.token_urlsafe(18), "openid": buyer.openid}
    return session | ({"unionid": buyer.unionid} if buyer.unionid else {})


def _stable_token(request: WireRequest) -> dict[str, Any]:
    simulator = request.simulator
    try:
        _check_app(simulator, request.fields.get("appid"), request.fields.get("secret"))
    except _No as no:
        return no.body
    now_s = simulator.clock.now_s()
    if request.fields.get("force_refresh") is True:
        simulator.tokens.clear()
    simulator.tokens = [token for token in simulator.tokens if token.expires_s > now_s]
    if not simulator.tokens or simulator.tokens[-1].expires_s - now_s <= TOKEN_OVERLAP_S:
        simulator.tokens.append(Token(secrets.token_urlsafe(102), now_s + TOKEN_LIFE_S))
    newest = simulator.tokens[-1]
    return {"access_token": newest.value, "expires_in": int(newest.expires_s - now_s)}


def _phone_number(request: WireRequest) -> dict[str, Any]:
    try:
        _check_token(request)
        buyer = _take_code(request.simulator, request.fields.get("code"), "phone")
    except _No as no:
        return no.body
    info = {
        "phoneNumber": buyer.phone,
        "purePhoneNumber": buyer.phone,
        "countryCode": "86",
        "watermark": {"appid": request.simulator.keys.appid, "timestamp": int(request.simulator.clock.now_s())},
    }
    return {"errcode": 0, "errmsg": "ok", "phone_info": info}


def _code_image(request: WireRequest) -> dict[str, Any] | bytes:
    scene, page = request.fields.get("scene"), request.fields.get("page", "pages/index/index")
    try:
        _check_token(request)
        if not isinstance(scene, str) or not _SCENE.fullmatch(scene):
            raise _No(40169, "invalid length for scene, or the data is not json string")
        if not isinstance(page, str) or not _PAGE.fullmatch(page):
            raise _No(41030, "invalid page")
        if request.fields.get("env_version", "release") not in _VERSIONS:
            raise _No(40097, "invalid args")
    except _No as no:
        return no.body
    import segno  # of the extra `simulator`; create_simulator has seen that it is there

    image = io.BytesIO()
    # A square code that a phone can read stands for the round one, which only WeChat can draw.
    segno.make(f"{page}?scene={scene}", micro=False).save(image, kind="png", scale=8)
    return image.getvalue()


def _check_app(simulator: Simulator, appid: object, secret: object) -> None:
    if appid != simulator.keys.appid:
        raise _No(40013, "invalid appid")
    if secret != simulator.keys.app_secret:
        raise _No(40125, "invalid appsecret")


def _check_token(request: WireRequest) -> None:
    given = request.query.get("access_token")
    token = next((token for token in request.simulator.tokens if token.value == given), None)
    if token is None:
        raise _No(40001, "invalid credential, access_token is invalid or not latest")
    if request.simulator.clock.now_s() >= token.expires_s:
        raise _No(42001, "access_token expired")


ROUTES = [
    Route("/sns/jscode2session", mini_endpoint(_session), methods=["GET"]),
    Route("/cgi-bin/stable_token", mini_endpoint(_stable_token), methods=["POST"]),
    Route("/wxa/business/getuserphonenumber", mini_endpoint(_phone_number), methods=["POST"]),
    Route("/wxa/getwxacodeunlimit", mini_endpoint(_code_image), methods=["POST"]),
]
