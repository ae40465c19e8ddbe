"""Becoming a distributor, and being one."""

from collections.abc import Collection
from uuid import UUID

import asyncpg

from app import attribution, customers
from app.attribution import PromoterKind
from app.core import db
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.core.http import Page
from app.core.http.pages import Paging
from app.core.ids import new_id
from app.distribution.errors import AlreadyDistributor, ApplicationDecided, ApplicationOpen
from app.distribution.schemas import ApplicationCreate, ApplicationStatus, ApplicationView, DecisionCreate

_APPLICATION = """
SELECT a.id, a.customer_id AS customer, a.name, a.inviter_id AS inviter, a.status, a.reason, a.made_at, a.decided_at,
       CASE WHEN a.status = 'approved' THEN d.id END AS distributor
FROM distribution_application a LEFT JOIN distribution_distributor d ON d.customer_id = a.customer_id
"""


async def apply(session: AsyncSession, customer_id: UUID, body: ApplicationCreate) -> ApplicationView:
    """Ask to become a distributor. Raises NotFound for an unknown inviter, ApplicationOpen, AlreadyDistributor."""
    await customers.hold(session, customer_id)
    if await db.fetchval(session, "SELECT true FROM distribution_distributor WHERE customer_id = $1", customer_id):
        raise AlreadyDistributor
    if body.inviter is not None and not await db.fetchval(
        session, "SELECT true FROM distribution_distributor WHERE id = $1 AND status = 'active'", body.inviter
    ):
        raise NotFound
    application_id = new_id()
    written = await db.execute(
        session,
        """INSERT INTO distribution_application (id, customer_id, inviter_id, name, status)
           VALUES ($1, $2, $3, $4, 'applied')
           ON CONFLICT (customer_id) WHERE status = 'applied' DO NOTHING""",
        application_id,
        customer_id,
        body.inviter,
        body.name,
    )
    if not written:
        raise ApplicationOpen
    return await _application(session, application_id)


async def _application(session: AsyncSession, application_id: UUID) -> ApplicationView:
    row = await db.fetchrow(session, f"{_APPLICATION} WHERE a.id = $1", application_id)
    if row is None:
        raise NotFound
    return ApplicationView(**dict(row))


async def list_applications(
    session: AsyncSession, paging: Paging, *, status: ApplicationStatus | None = None, customer_id: UUID | None = None
) -> Page[ApplicationView]:
    """Applications, of one status or one customer if asked, newest first."""
    rows = await db.fetch(
        session,
        f"""{_APPLICATION} WHERE ($1::text IS NULL OR a.status = $1) AND ($2::uuid IS NULL OR a.customer_id = $2)
            AND ($3::uuid IS NULL OR a.id < $3) ORDER BY a.id DESC LIMIT $4""",
        status.value if status else None,
        customer_id,
        paging.after_id("apl"),
        paging.limit + 1,
    )
    return paging.page("apl", [ApplicationView(**dict(row)) for row in rows], [row["id"] for row in rows])


async def decide(session: AsyncSession, staff_id: UUID, application_id: UUID, body: DecisionCreate) -> ApplicationView:
    """Approve or refuse, once. Approving makes the distributor, who can be credited from now on.

    Raises NotFound, ApplicationDecided, AlreadyDistributor.
    """
    await customers.hold(session, (await _application(session, application_id)).customer)
    row = await db.fetchrow(
        session,
        """UPDATE distribution_application
           SET status = $2, reason = $3, decided_by = $4, decided_at = clock_timestamp()
           WHERE id = $1 AND status = 'applied' RETURNING customer_id, inviter_id""",
        application_id,
        (ApplicationStatus.APPROVED if body.approve else ApplicationStatus.REFUSED).value,
        body.reason,
        staff_id,
    )
    if row is None:
        raise ApplicationDecided(status=(await _application(session, application_id)).status.value)
    if body.approve:
        await _join(session, row)
    return await _application(session, application_id)


async def _join(session: AsyncSession, application: asyncpg.Record) -> None:
    """Make the distributor, once. An inviter who was suspended meanwhile is nobody's upline."""
    distributor = await db.fetchrow(
        session,
        """INSERT INTO distribution_distributor (id, customer_id, upline_id, status)
           VALUES ($1, $2, (SELECT id FROM distribution_distributor WHERE id = $3 AND status = 'active'), 'active')
           ON CONFLICT (customer_id) DO NOTHING RETURNING id, customer_id, upline_id""",
        new_id(),
        application["customer_id"],
        application["inviter_id"],
    )
    if distributor is None:
        raise AlreadyDistributor
    await attribution.register_promoter(
        session,
        promoter_id=distributor["id"],
        kind=PromoterKind.DISTRIBUTOR,
        person_id=distributor["customer_id"],
        upline_id=distributor["upline_id"],
        store_id=None,
        scope_path="",
    )


async def distributor_of(session: AsyncSession, customer_id: UUID) -> UUID:
    """The distributor that this customer is. Raises NotFound."""
    distributor_id: UUID | None = await db.fetchval(
        session, "SELECT id FROM distribution_distributor WHERE customer_id = $1", customer_id
    )
    if distributor_id is None:
        raise NotFound
    return distributor_id


async def distributor_names(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """Masked names ("L**") by distributor; an unknown id is left out."""
    rows = await db.fetch(
        session, "SELECT id, customer_id FROM distribution_distributor WHERE id = ANY($1)", list(set(ids))
    )
    names = await customers.masked_names(session, [row["customer_id"] for row in rows])
    return {row["id"]: names[row["customer_id"]] for row in rows}
