"""How the simulated WeChat Pay says no."""

from typing import Any


class Refusal(Exception):
    """An APIv3 error reply: `{code, message, detail?}`. Codes and statuses as on pay.weixin.qq.com."""

    def __init__(self, status: int, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.body: dict[str, Any] = {"code": code, "message": message}
        if detail is not None:
            self.body["detail"] = detail


def wrong_field(name: str, issue: str) -> Refusal:
    """PARAM_ERROR for one field, e.g. `/amount/total`."""
    return Refusal(400, "PARAM_ERROR", f"参数错误: {name} {issue}", {"field": name, "issue": issue, "location": "body"})
