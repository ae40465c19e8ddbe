"""The caller, as policies and scoped queries see it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from app.core.ids import wire


class Kind(StrEnum):
    CUSTOMER = "customer"
    STAFF = "staff"


class Role(StrEnum):
    """What staff may do; each role's reach is its `scope_path`."""

    GUIDE = "guide"
    MANAGER = "manager"
    REGION = "region"
    HQ = "hq"


@dataclass(frozen=True, slots=True)
class Actor:
    """A logged-in caller. `scope_path` is a path such as `/hq/north/s001/`; what lies below it is within reach.

    A customer's `role` is None and its path empty: its reach is its own id. A distributor calls as the customer it is.
    """

    kind: Kind
    id: UUID
    family: UUID
    role: Role | None = None
    scope_path: str = ""

    @property
    def wire_id(self) -> str:
        return wire("cus" if self.kind is Kind.CUSTOMER else "stf", self.id)

    @property
    def scope(self) -> str:
        """The pattern of paths within reach, for `core.db.within`."""
        return self.scope_path.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"

    def reaches(self, path: str) -> bool:
        """Whether something at `path` lies within this staff member's scope."""
        return self.kind is Kind.STAFF and path.startswith(self.scope_path)
