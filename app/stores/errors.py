"""Errors of stores.

* Unauthenticated 401
  + LoginFailed             unknown login, wrong password, or somebody who left: not said which
* Forbidden 403
  + RoleNotGrantable        the role is not one that this caller may give, change or take away
  + AccountLinkNotGrantable only headquarters says which customer account is a staff member's own
  + RegionsOutOfReach       store staff ask for the ranking of regions
* Conflict 409
  + OrganisationCodeTaken   a unit or store has this code
  + LoginTaken              somebody has this login
  + AccountLinked           somebody who works here has this customer account
* Unprocessable 422
  + PostMismatch            the role and the unit do not go together
  + PeriodUnreadable        not a day, week or month
  + NearUnreadable          not a latitude and longitude
"""

from app.core.errors import Conflict, Forbidden, Unauthenticated, Unprocessable


class LoginFailed(Unauthenticated):
    """Login and password do not go together, or the person has left."""

    en = "Login or password is wrong."
    zh = "账号或密码错误。"


class RoleNotGrantable(Forbidden):
    """A manager deals with guides, a region with everyone up to regions, headquarters with everyone but oneself."""

    en = "Your role may not do this to a {role}."
    zh = "您的角色无权对 {role} 进行此操作。"


class AccountLinkNotGrantable(Forbidden):
    """Sales by an account's links are credited to whoever is linked to it, so only headquarters links one."""

    en = "Only headquarters may set or change a staff member's customer account."
    zh = "仅总部可设置或更改员工关联的顾客账号。"


class RegionsOutOfReach(Forbidden):
    """A region's row holds what all its stores sold; who reaches one store does not see it."""

    en = "Regions are ranked for regions and headquarters only."
    zh = "仅大区和总部可查看大区业绩排行。"


class OrganisationCodeTaken(Conflict):
    """Codes name units and stores for ever, each only once."""

    en = "The code {code} is taken."
    zh = "编码 {code} 已被使用。"


class LoginTaken(Conflict):
    """Logins are unique, also against those who have left."""

    en = "This login is taken."
    zh = "该账号已被使用。"


class AccountLinked(Conflict):
    """A customer account belongs to at most one person who works here."""

    en = "This customer account belongs to somebody else who works here."
    zh = "该顾客账号已关联其他在职员工。"


class PostMismatch(Unprocessable):
    """Headquarters staff belong to the headquarters unit, regional staff to a region."""

    en = "A {role} cannot be posted to a unit of kind {kind}."
    zh = "{role} 角色不能归属 {kind} 类型的组织。"


class PeriodUnreadable(Unprocessable):
    """A period is `day:2026-11-21`, `week:2026-W47` or `month:2026-11`."""

    en = "A period looks like day:2026-11-21, week:2026-W47 or month:2026-11."
    zh = "周期格式应为 day:2026-11-21、week:2026-W47 或 month:2026-11。"


class NearUnreadable(Unprocessable):
    """`near` is `latitude,longitude` in degrees."""

    en = "near looks like 30.2741,120.1551."
    zh = "near 格式应为 30.2741,120.1551。"
