"""Who is calling: short access tokens, rotating refresh families, and the actor that policies and queries use."""

from app.core.auth.actors import Actor, Kind, Role
from app.core.auth.families import (
    RefreshReused,
    TokenPair,
    current,
    move_scope,
    open_family,
    refresh,
    require_manager,
    revoke_family,
    revoke_subject,
)
from app.core.auth.policy import (
    AnyStaff,
    CurrentCustomer,
    CurrentLogin,
    CurrentStaff,
    Headquarters,
    Managers,
    Regional,
    Visitor,
    public,
)

__all__ = [
    "Actor",
    "AnyStaff",
    "CurrentCustomer",
    "CurrentLogin",
    "CurrentStaff",
    "Headquarters",
    "Kind",
    "Managers",
    "RefreshReused",
    "Regional",
    "Role",
    "TokenPair",
    "Visitor",
    "current",
    "move_scope",
    "open_family",
    "public",
    "refresh",
    "require_manager",
    "revoke_family",
    "revoke_subject",
]
