"""What of an order is refunded, counted here by after-sales."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.core.db import Session, Statement


@dataclass(frozen=True, slots=True)
class LineRefund:
    """One line's part of a refund. `units` may be 0 (a refund by amount), and of them `restocked` came back."""

    line_id: UUID
    units: int
    restocked: int
    amount_fen: int


_COUNT_ORDER = Statement(
    """UPDATE mall_order SET refunded_fen = refunded_fen + :amount_fen,
              freight_refunded_fen = freight_refunded_fen + :freight_fen,
              refund_status = CASE refunded_fen + :amount_fen WHEN 0 THEN 'none' WHEN paid_fen THEN 'all'
                                                              ELSE 'part' END
       WHERE id = :order_id"""
)
_COUNT_LINE = Statement(
    """UPDATE mall_order_line SET refunded_fen = refunded_fen + :amount_fen,
              refunded_quantity = refunded_quantity + :units, restocked_quantity = restocked_quantity + :restocked
       WHERE id = :line_id"""
)


async def count_refund(
    session: Session, order_id: UUID, parts: Sequence[LineRefund], *, freight_fen: int, amount_fen: int
) -> None:
    """Raise the refunded totals of an order that the caller has locked, and of its lines; their CHECKs hold the limits."""
    await _COUNT_ORDER.run(session, order_id=order_id, amount_fen=amount_fen, freight_fen=freight_fen)
    await _COUNT_LINE.run_many(
        session,
        [
            {
                "line_id": part.line_id,
                "units": part.units,
                "restocked": part.restocked,
                "amount_fen": part.amount_fen,
            }
            for part in parts
        ],
    )
