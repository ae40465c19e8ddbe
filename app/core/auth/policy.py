"""Who may call a route. Every route names one policy; a route that names none fails a test."""

from typing import Annotated, Any

from fastapi import Depends, Request

from app.core.auth import families, tokens
from app.core.auth.actors import Actor, Kind, Role
from app.core.errors import AppError, Forbidden, Unauthenticated
from app.core.runtime import Runtime


def _token(request: Request) -> str:
    """The bearer token of the request. Raises Unauthenticated without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token


class Allow:
    """A dependency that lets one kind of caller in, with one of the given roles, and yields the Actor.

    Raises Unauthenticated (401) without a valid login and Forbidden (403) for another kind or role. What a caller may
    see of the things behind the route is decided by the query's scope, not here.
    """

    errors: tuple[type[AppError], ...] = (Unauthenticated, Forbidden)

    def __init__(self, kind: Kind, *roles: Role) -> None:
        self.kind = kind
        self.roles = frozenset(roles)

    @property
    def lets_in(self) -> tuple[str, ...]:
        """The published security schemes, any of which will do; the empty one is none."""
        return (self.kind.value,)

    async def __call__(self, request: Request) -> Actor:
        runtime: Runtime = request.app.state.runtime
        actor = tokens.read(runtime.settings, _token(request))
        if actor.kind is not self.kind:
            raise Forbidden
        if actor.kind is Kind.STAFF:
            # Staff are few and their reach changes at once: the token names the login, the database says what it is.
            async with runtime.db.transaction() as session:
                actor = await families.current(session, actor.family)
            if actor.role not in self.roles:
                raise Forbidden
        request.state.actor = actor
        return actor


class LoggedIn(Allow):
    """Customers and staff alike: whoever is logged in."""

    errors = (Unauthenticated,)

    lets_in = tuple(kind.value for kind in Kind)

    def __init__(self) -> None:
        super().__init__(Kind.CUSTOMER)

    async def __call__(self, request: Request) -> Actor:
        runtime: Runtime = request.app.state.runtime
        kind = tokens.read(runtime.settings, _token(request)).kind
        return await (staff if kind is Kind.STAFF else customers)(request)


class Visiting(Allow):
    """Customers, and whoever has not logged in yet; yields None for those. A login that is sent has to be a good one."""

    lets_in = ("", Kind.CUSTOMER.value)

    def __init__(self) -> None:
        super().__init__(Kind.CUSTOMER)

    async def __call__(self, request: Request) -> Actor | None:  # type: ignore[override]
        return await customers(request) if "authorization" in request.headers else None


class Public:
    """Says aloud that a route is open to everyone (logins, callbacks with their own signature, health)."""

    async def __call__(self) -> None:
        return None


customers = Allow(Kind.CUSTOMER)
staff = Allow(Kind.STAFF, *Role)
managers = Allow(Kind.STAFF, Role.MANAGER, Role.REGION, Role.HQ)
regional = Allow(Kind.STAFF, Role.REGION, Role.HQ)
headquarters = Allow(Kind.STAFF, Role.HQ)
logged_in = LoggedIn()
visiting = Visiting()
public: Any = Depends(Public())

CurrentCustomer = Annotated[Actor, Depends(customers)]
Visitor = Annotated[Actor | None, Depends(visiting)]
"""For what a shop shows to everybody."""

CurrentStaff = Annotated[Actor, Depends(staff)]
"""Staff who read or change what lies within their scope: the route gives the actor on."""

AnyStaff = Annotated[Actor, Depends(staff)]
"""Staff of every role, for what all of them read alike."""

Managers = Annotated[Actor, Depends(managers)]
"""Staff who run a store or more; the route gives the actor on, as with `CurrentStaff`."""

Regional = Annotated[Actor, Depends(regional)]
"""Staff who run a region or all of it; the route gives the actor on, too."""

Headquarters = Annotated[Actor, Depends(headquarters)]
"""Staff whose reach is everything."""

CurrentLogin = Annotated[Actor, Depends(logged_in)]
