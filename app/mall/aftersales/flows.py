"""Agreeing a refund, once per key."""

from uuid import UUID

from app.core import idempotency
from app.core.auth import Actor
from app.core.db import Session
from app.core.idempotency import Key, Reply
from app.core.ids import new_id
from app.core.runtime import Runtime
from app.mall.aftersales import refunds
from app.mall.aftersales.schemas import RefundCreate
from app.mall.aftersales.views import agreed_refund


async def agree_refund(runtime: Runtime, actor: Actor, key: Key, order_id: UUID, request: RefundCreate) -> Reply:
    """Agree a refund; payments sends it. Raises what `refunds.agree` raises."""

    async def begin(session: Session, refund_id: UUID) -> None:
        await refunds.agree(session, actor, refund_id=refund_id, order_id=order_id, request=request)

    async def finish(refund_id: UUID) -> Reply:
        async with runtime.db.transaction() as session:
            view = await agreed_refund(session, refund_id)
        return Reply(201, view.model_dump_json().encode())

    return await idempotency.run(runtime.db, key, new_id(), begin=begin, finish=finish)
