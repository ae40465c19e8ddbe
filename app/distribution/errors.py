"""Errors of distribution.

* Conflict 409
  + ApplicationOpen       one application waits for its decision already
  + AlreadyDistributor    one is a distributor already
  + ApplicationDecided    the decision was made before
"""

from app.core.errors import Conflict


class ApplicationOpen(Conflict):
    """One application at a time."""

    en = "An application is waiting for its decision already."
    zh = "您已有待审核的申请。"


class AlreadyDistributor(Conflict):
    """Once is enough."""

    en = "This customer is a distributor already."
    zh = "该用户已是分销员。"


class ApplicationDecided(Conflict):
    """A decision is final; a refused customer may apply again."""

    en = "This application was decided before: {status}."
    zh = "该申请已处理：{status}。"
