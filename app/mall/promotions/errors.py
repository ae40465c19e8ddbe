"""Errors of prices.

* Unprocessable
  + LineRepeated        one SKU stands on two lines
"""

from app.core.errors import Unprocessable


class LineRepeated(Unprocessable):
    """Each SKU stands on one line; add the quantities."""

    en = "The same SKU is on two lines."
    zh = "同一规格重复出现。"
