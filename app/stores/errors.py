"""Errors of stores.

* Unauthenticated 401
  + LoginFailed             unknown login, wrong password, or one who left: not said which
* Forbidden 403
  + PasswordWrong           the old password is not the one that counts now
  + RoleNotGrantable        the role is not one that this caller may give, change or take away
  + AccountLinkNotGrantable only headquarters says which customer account is a staff member's own
  + LegalEntityNotGrantable only headquarters says whether a store is a legal entity
  + RegionsOutOfReach       store staff ask for the ranking of regions
* Conflict 409
  + OrganisationCodeTaken   a unit or store has this code
  + LoginTaken              another staff member has this login
  + AccountLinked           another active staff member has this customer account
* Unprocessable 422
  + PostMismatch            the role and the unit do not go together
  + PeriodUnreadable        not a day, week or month
  + MeasureNotOfGuides      guides are ranked by what stores alone have
  + NearUnreadable          not a latitude and longitude
"""

from app.core.auth import Role
from app.core.errors import Conflict, Forbidden, Unauthenticated, Unprocessable
from app.stores.schemas import UnitKind


class LoginFailed(Unauthenticated):
    """Login and password do not go together, or the staff member has left."""

    en = "Login or password is wrong."
    zh = "账号或密码错误。"


class PasswordWrong(Forbidden):
    """Whoever changes a password has to know it, or headquarters sets another."""

    en = "The old password is wrong."
    zh = "原密码错误。"


class RoleNotGrantable(Forbidden):
    """Managers deal with guides, regions with everyone up to regions, headquarters with everyone; nobody dismisses
    themselves."""

    en = "Your role may not do this to a {role}."
    zh = "您的角色无权对 {role} 进行此操作。"
    role: Role


class AccountLinkNotGrantable(Forbidden):
    """Sales by an account's links are credited to whoever is linked to it, so only headquarters links one."""

    en = "Only headquarters may set or change a staff member's customer account."
    zh = "仅总部可设置或更改员工关联的顾客账号。"


class LegalEntityNotGrantable(Forbidden):
    """What a store is owed hangs on it, so only headquarters says whether it is a legal entity of its own."""

    en = "Only headquarters may say whether a store is a legal entity."
    zh = "仅总部可设置门店是否为独立法人。"


class RegionsOutOfReach(Forbidden):
    """A region's row holds what all its stores sold; staff who reach one store do not see it."""

    en = "Regions are ranked for regions and headquarters only."
    zh = "仅大区和总部可查看大区业绩排行。"


class OrganisationCodeTaken(Conflict):
    """Another unit or store has this code; codes are unique for good."""

    en = "The code {organisation_code} is taken."
    zh = "编码 {organisation_code} 已被使用。"
    organisation_code: str


class LoginTaken(Conflict):
    """Logins are unique, also against those who have left."""

    en = "This login is taken."
    zh = "该账号已被使用。"


class AccountLinked(Conflict):
    """A customer account belongs to at most one active staff member."""

    en = "This customer account belongs to another staff member."
    zh = "该顾客账号已关联其他在职员工。"


class PostMismatch(Unprocessable):
    """Headquarters staff are posted to the headquarters unit, regional staff to a region."""

    en = "A {role} cannot be posted to a unit of kind {kind}."
    zh = "{role} 角色不能归属 {kind} 类型的组织。"
    role: Role
    kind: UnitKind


class MeasureNotOfGuides(Unprocessable):
    """Guides have what is credited to them and their own part of it."""

    en = "Guides are ranked by credited or own_part."
    zh = "导购仅支持按 credited 或 own_part 排名。"


class PeriodUnreadable(Unprocessable):
    """A period is `day:2026-11-21`, `week:2026-W47` or `month:2026-11`."""

    en = "A period looks like day:2026-11-21, week:2026-W47 or month:2026-11."
    zh = "周期格式应为 day:2026-11-21、week:2026-W47 或 month:2026-11。"


class NearUnreadable(Unprocessable):
    """`near` is `latitude,longitude` in degrees."""

    en = "near looks like 30.2741,120.1551."
    zh = "near 格式应为 30.2741,120.1551。"
