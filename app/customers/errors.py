"""Errors of customers.

* Conflict 409
  + AddressesFull   a customer keeps at most `limit` addresses
"""

from app.core.errors import Conflict


class AddressesFull(Conflict):
    """The address book is full; delete one first."""

    en = "At most {limit} addresses are kept; delete one first."
    zh = "最多保存 {limit} 个收货地址，请先删除一个。"
