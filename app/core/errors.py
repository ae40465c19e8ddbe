"""What may go wrong, told to the outside as RFC 9457 problem details.

An error is named for the event. Its wire code is the class name in snake case, so one class is one code;
its text stands beside it in English and Chinese and is filled from the machine-readable details. The details are the
class's annotated attributes: raising names exactly them, and the published document holds their schema.

* AppError
  + BadRequest 400      the request cannot be understood
  + Unauthenticated 401 nobody is logged in, or the token is spent
  + Forbidden 403       logged in, but this kind of caller may not do this at all
  + NotFound 404        unknown, or not yours
  + Conflict 409        the state of things forbids it now
  + Unprocessable 422   understood, but the values cannot be accepted
  + TooMany 429         slow down
  + Unavailable 503     a part we need does not answer; try again
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, dataclass_transform, get_origin, get_type_hints


@dataclass_transform(kw_only_default=True)
class AppError(Exception):
    """The root of all errors that a caller may see.

    Annotated attributes of a subclass are its details: `class ShelfFull(Conflict): limit: int` is raised as
    `ShelfFull(limit=50)`; one with a default may be left out. They are machine-readable and are published: ids, money in
    fen, never personal data.
    """

    status_code: ClassVar[int] = 500
    en: ClassVar[str] = "Something went wrong on our side."
    zh: ClassVar[str] = "服务出错了，请稍后再试。"

    sends: ClassVar[dict[str, str]] = {}
    """Headers of the reply."""

    shape: ClassVar[dict[str, Any]] = {}
    """The types of the details by name."""
    registry: ClassVar[dict[str, type["AppError"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        code = cls.code()
        known = AppError.registry.get(code)
        if known is not None and known.__qualname__ == cls.__qualname__ and known.__module__ != cls.__module__:
            raise TypeError(f"two errors share the code {code}: {known.__module__} and {cls.__module__}")
        AppError.registry[code] = cls
        hints = get_type_hints(cls, include_extras=True)
        cls.shape = {name: hint for name, hint in hints.items() if get_origin(hint) is not ClassVar}

    def __init__(self, **details: Any) -> None:
        required = {name for name in self.shape if not hasattr(type(self), name)}
        if not required <= details.keys() <= self.shape.keys():
            raise TypeError(f"{self.code()} takes {', '.join(self.shape) or 'nothing'}; given {', '.join(details)}")
        super().__init__(details)
        self.details = details
        vars(self).update(details)

    @classmethod
    def code(cls) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def title(cls) -> str:
        return cls.code().replace("_", " ").capitalize()

    def headers(self) -> dict[str, str]:
        """Headers of this reply: those of `sends`, with the values of this occurrence."""
        return self.sends

    def detail(self, language: str) -> str:
        """One sentence for a person, in `language` ("zh…" or anything else for English)."""
        text = self.zh if language.startswith("zh") else self.en
        return text.format_map(_Blanks(self.details))

    def __str__(self) -> str:
        return f"{self.code()}: {self.detail('en')}"


class _Blanks(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


class BadRequest(AppError):
    status_code = 400
    en = "The request cannot be understood."
    zh = "请求无法识别。"


class Unauthenticated(AppError):
    status_code = 401
    en = "Log in first: the access token is missing, spent or unknown."
    zh = "请先登录：访问凭证缺失、过期或无效。"
    sends: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}


class Forbidden(AppError):
    status_code = 403
    en = "This login may not do that."
    zh = "当前身份无权进行此操作。"


class NotFound(AppError):
    status_code = 404
    en = "Not found, or not accessible to you."
    zh = "不存在，或您无权访问。"


class Conflict(AppError):
    status_code = 409
    en = "The present state forbids this."
    zh = "当前状态不允许此操作。"


class Unprocessable(AppError):
    status_code = 422
    en = "The values cannot be accepted."
    zh = "提交的内容不符合要求。"


@dataclass(frozen=True, slots=True)
class Fault:
    """One field that is not as documented: where it stands, a stable word for what is wrong, and a sentence."""

    field: str
    fault: str
    message: str


class ValidationFailed(Unprocessable):
    """The body, query or path does not match the documented shape; `details.fields` names each fault."""

    en = "Some fields are not as documented."
    zh = "部分字段不符合文档要求。"
    fields: list[Fault]


class TooMany(AppError):
    status_code = 429
    en = "Too many requests."
    zh = "请求过于频繁。"


class RateLimited(TooMany):
    """The caller's budget for this act is spent; `retry_after_ms` says when to come back."""

    en = "Too many requests. Try again in a moment."
    zh = "操作过于频繁，请稍后再试。"
    sends: ClassVar[dict[str, str]] = {"Retry-After": "1"}
    retry_after_ms: int

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(max(1, -(-self.retry_after_ms // 1000)))}


class Unavailable(AppError):
    status_code = 503
    en = "A part of the system does not answer. Try again."
    zh = "系统繁忙，请稍后再试。"


class Unclear(StrEnum):
    """Why an answer of WeChat's is none."""

    TIMEOUT = "timeout"
    TRANSPORT = "transport"
    UNCLEAR = "unclear"
    UNREADABLE = "unreadable"
    UNVERIFIED = "unverified"
    BUSY = "busy"
    UNAUTHORISED = "unauthorised"
    PAID_BUT_NOT_SHOWN = "paid_but_not_shown"


class UpstreamFailed(Unavailable):
    """WeChat did not answer clearly; nothing was decided and the same request may be sent again. Only a code that works
    once (of a login or a phone number) may be spent all the same: get a fresh one."""

    status_code = 502
    en = "WeChat did not answer as expected. Try again."
    zh = "微信暂未正常响应，请稍后再试。"
    call: str
    reason: Unclear
    http_status: int | None = None
    wechat_code: str | None = None


class VersionConflict(Conflict):
    """Somebody else changed the resource; `details.version` is the current one."""

    en = "It was changed meanwhile; the current version is {version}."
    zh = "内容已被他人修改，当前版本为 {version}。"
    version: int
