"""Errors of customers.

* Conflict 409
  + AddressesFull   a customer keeps at most `limit` addresses
  + OpenidMissing   they never logged in with the mini-program that payments go through
* Unprocessable 422
  + AppidUnknown    the mini-program is not one of this deployment
"""

from app.core.errors import Conflict, Unprocessable


class AddressesFull(Conflict):
    """The address book is full; delete one first."""

    en = "At most {limit} addresses are kept; delete one first."
    zh = "最多保存 {limit} 个收货地址，请先删除一个。"
    limit: int


class OpenidMissing(Conflict):
    """WeChat is paid in the mini-program `appid`, and the customer has never logged in there."""

    en = "Log in with the mini-program {appid} first: payments go through it."
    zh = "请先登录小程序 {appid}：支付通过该小程序完成。"
    appid: str


class AppidUnknown(Unprocessable):
    """The login names a mini-program that this deployment does not serve."""

    en = "The mini-program {appid} is not served here."
    zh = "此处未接入小程序 {appid}。"
    appid: str
