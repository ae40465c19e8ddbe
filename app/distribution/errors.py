"""Errors of distribution.

* Conflict 409
  + ApplicationOpen       another application of this customer is waiting for its decision
  + AlreadyDistributor    the customer is a distributor already
  + StaffNotDistributors  staff earn no commission, unless the rule of attribution lets them
  + ApplicationDecided    the application was decided before
* Unprocessable 422
  + OverTotalCap          the rates of the terms are together more than they may be
"""

from app.core.errors import Conflict, Unprocessable
from app.distribution.schemas import ApplicationStatus


class ApplicationOpen(Conflict):
    """A customer has one application at a time."""

    en = "An application is waiting for its decision already."
    zh = "您已有待审核的申请。"


class AlreadyDistributor(Conflict):
    """A customer becomes a distributor once."""

    en = "This customer is a distributor already."
    zh = "该用户已是分销员。"


class StaffNotDistributors(Conflict):
    """Who works for the brand sells as a guide. `staff_may_distribute` of the attribution rule lets staff distribute."""

    en = "People who work for the brand cannot be distributors."
    zh = "品牌员工不能成为分销员。"


class ApplicationDecided(Conflict):
    """A decision is final; a refused customer may apply again. `details.status` is the decision."""

    en = "This application was decided before: {status}."
    zh = "该申请已处理：{status}。"
    status: ApplicationStatus


class OverTotalCap(Unprocessable):
    """The rates of all levels together may not exceed `total_cap_bps` of the same terms."""

    en = "The rates are together {total_bps} basis points, at most {total_cap_bps} are allowed."
    zh = "各级佣金比例合计 {total_bps}（万分比），不得超过 {total_cap_bps}。"
    total_bps: int
    total_cap_bps: int
