"""Tips as staff see them, and their refunds: owed from the moment of the agreement, with all parts taken back."""

from datetime import datetime
from uuid import UUID

from app import customers, ledger, payments
from app.core import auth
from app.core.auth import Actor
from app.core.db import Listing, Session, Statement, within
from app.core.errors import NotFound
from app.core.events import publish
from app.core.ids import TipId
from app.core.paging import Page, Paging
from app.ledger import Account, Transfer
from app.live.errors import TipNotRefundable
from app.live.events import TipRefunded
from app.live.records import find_in_scope
from app.live.schemas import StaffTipView, TipRefundCreate, TipStatus
from app.live.tips import TIP_COLUMNS, Tip

REFUND_AGREED = "tip_refund_agreed"
"""The transfer that owes a tip back."""


class _Row(Tip, frozen=True, kw_only=True):
    host_fen: int | None
    store_fen: int | None
    brand_fen: int | None
    store_is_payee: bool | None
    paid_at: datetime | None
    refund_id: UUID | None
    refund_reason: str | None
    scope_path: str


_READ = f"""SELECT {TIP_COLUMNS}, host_fen, store_fen, brand_fen, store_is_payee, paid_at, refund_id, refund_reason, scope_path
            FROM live_tip JOIN (SELECT id AS room_id, scope_path FROM live_room) r USING (room_id)"""
_IN_SCOPE = f"{_READ} WHERE id = :tip_id AND {within('scope_path')}"
_LOCK = Statement(f"{_IN_SCOPE} FOR UPDATE OF live_tip", _Row)
_GET = Statement(_IN_SCOPE, _Row)
_OF_ROOM = Listing(
    f"{_READ} WHERE room_id = :room_id AND {{filters}} ORDER BY id DESC LIMIT :limit",
    _Row,
    filters={"status": "status = :status", "after": "id < :after"},
)
_REFUND = Statement(
    """UPDATE live_tip SET status = 'refunded', refund_id = :refund_id, refund_reason = :reason, refunded_by = :refunded_by
       WHERE id = :tip_id AND status = 'paid' RETURNING clock_timestamp()""",
    datetime,
)


async def agree(session: Session, actor: Actor, *, refund_id: UUID, tip_id: UUID, request: TipRefundCreate) -> None:
    """Owe a paid tip back, whole; payments sends it after the commit, and its parts are taken back from the log.

    Raises Unauthenticated when the actor's login has ended, NotFound outside its scope, TipNotRefundable, RefundsExhausted,
    RefundTooLate; then nothing is written.
    """
    tip = await _LOCK.first(session, tip_id=tip_id, scope=actor.scope)
    if tip is None:
        raise NotFound
    await auth.require_manager(session, actor, tip.scope_path)
    if tip.status is not TipStatus.PAID:
        raise TipNotRefundable(status=tip.status)
    await payments.request_refund(
        session, refund_id=refund_id, charge_id=tip.charge_id, amount_fen=tip.amount_fen, reason=request.reason
    )
    await ledger.post(
        session,
        Transfer(
            book=tip.book,
            kind=REFUND_AGREED,
            key=str(refund_id),
            entries=[
                ledger.debit(Account.TIPS_UNALLOTTED, tip.amount_fen, tip.id),
                ledger.credit(Account.REFUNDS_DUE, tip.amount_fen, refund_id),
            ],
        ),
    )
    refunded_at = await _REFUND.one(
        session, tip_id=tip_id, refund_id=refund_id, reason=request.reason, refunded_by=actor.id
    )
    await publish(session, _told(tip, refund_id, refunded_at))


def _told(tip: _Row, refund_id: UUID, refunded_at: datetime) -> TipRefunded:
    assert tip.host_fen is not None, "a paid tip has its parts"
    assert tip.store_fen is not None
    assert tip.brand_fen is not None
    assert tip.store_is_payee is not None
    return TipRefunded(
        tip_id=tip.id,
        room_id=tip.room_id,
        store_id=tip.store_id,
        host_id=tip.host_id,
        customer_id=tip.customer_id,
        book=tip.book,
        amount_fen=tip.amount_fen,
        host_fen=tip.host_fen,
        store_fen=tip.store_fen,
        brand_fen=tip.brand_fen,
        store_is_payee=tip.store_is_payee,
        refund_id=refund_id,
        refunded_at=refunded_at,
    )


async def get(session: Session, actor: Actor, tip_id: UUID) -> StaffTipView:
    """A tip within scope. Raises NotFound."""
    tip = await _GET.first(session, tip_id=tip_id, scope=actor.scope)
    if tip is None:
        raise NotFound
    return _view(tip, await customers.masked_names(session, [tip.customer_id]))


async def list_of_room(
    session: Session, paging: Paging, actor: Actor, room_id: UUID, *, status: TipStatus | None
) -> Page[StaffTipView]:
    """The tips of a room within scope, newest first; `status` narrows them. Raises NotFound, CursorInvalid."""
    await find_in_scope(session, actor, room_id)
    rows = await paging.rows(session, TipId, _OF_ROOM, room_id=room_id, status=status)
    names = await customers.masked_names(session, [row.customer_id for row in rows.items])
    return rows.page([_view(row, names) for row in rows.items])


def _view(tip: _Row, names: dict[UUID, str]) -> StaffTipView:
    return StaffTipView(
        id=tip.id,
        room=tip.room_id,
        customer=tip.customer_id,
        name=names.get(tip.customer_id, ""),
        status=tip.status,
        amount_fen=tip.amount_fen,
        host_fen=tip.host_fen,
        store_fen=tip.store_fen,
        brand_fen=tip.brand_fen,
        message=tip.message,
        placed_at=tip.placed_at,
        paid_at=tip.paid_at,
        refund=tip.refund_id,
        refund_reason=tip.refund_reason,
    )
