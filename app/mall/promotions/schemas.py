"""Sets of values of promotions."""

from enum import StrEnum


class DiscountKind(StrEnum):
    """Which step of the price trail took something off a line, in the order of the steps. None is given yet."""

    FLASH_SALE = "flash_sale"
    GROUP_BUY = "group_buy"
    BARGAIN = "bargain"
    PRESALE = "presale"
    AGENT_PRICE = "agent_price"
    LIMITED_TIME = "limited_time"
    MEMBER_PRICE = "member_price"
    THRESHOLD = "threshold"
    COUPON = "coupon"
    POINTS = "points"


class CouponReason(StrEnum):
    """Why a coupon cannot be used for a basket."""

    NOT_STARTED = "not_started"
    EXPIRED = "expired"
    OTHER_STORE = "other_store"
    NO_ELIGIBLE_LINE = "no_eligible_line"
    BELOW_THRESHOLD = "below_threshold"
    NOT_WITH_OTHERS = "not_with_others"
