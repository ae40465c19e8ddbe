"""Distribution: distributors, the terms they sell on, and the commission that each sale holds for them.

A customer applies, headquarters decides; an approved distributor is a promoter in attribution. A commission is a share of
a line's goods paid at the rate of the terms that were valid when the order was placed; at most two levels of a line earn
(the credited distributor and their frozen upline), by the database's own constraint, together no more than the cap of the
terms, and nobody earns from recruiting. A consumer of the mall's events writes commissions down, holds their money at
payees and takes it back with refunds, cumulatively, so any series of part refunds ends exact. It also counts what each link
sold, whatever that earned. Where a commission's money is (held, released, reversed) is the state of its hold.
"""

from app.distribution.commissions import EarnedCommission, earned_on
from app.distribution.distributors import distributor_names
from app.distribution.events import CommissionClawedBack, CommissionHeld
from app.distribution.schemas import CommissionStatus

__all__ = [
    "CommissionClawedBack",
    "CommissionHeld",
    "CommissionStatus",
    "EarnedCommission",
    "distributor_names",
    "earned_on",
]
