"""Who is calling: short access tokens, rotating refresh families, and the actor that policies and queries use."""

from app.core.auth.actors import Actor, Kind, Role
from app.core.auth.families import (
    RefreshReused,
    TokenPair,
    current,
    move_scope,
    open_family,
    refresh,
    revoke_family,
    revoke_subject,
)
from app.core.auth.policy import (
    Allow,
    AnyStaff,
    CurrentCustomer,
    CurrentLogin,
    CurrentStaff,
    Visitor,
    customers,
    headquarters,
    managers,
    public,
    regional,
    staff,
)

__all__ = [
    "Actor",
    "Allow",
    "AnyStaff",
    "CurrentCustomer",
    "CurrentLogin",
    "CurrentStaff",
    "Kind",
    "RefreshReused",
    "Role",
    "TokenPair",
    "Visitor",
    "current",
    "customers",
    "headquarters",
    "managers",
    "move_scope",
    "open_family",
    "public",
    "refresh",
    "regional",
    "revoke_family",
    "revoke_subject",
    "staff",
]
