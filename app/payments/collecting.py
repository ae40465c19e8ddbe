"""Being paid, once for all that can be paid for: prepay, notification, "I paid", closing and the overdue sweep.

The module that owns a subject (an order, a tip) hands down a `Collector`: the kind of its charges and its own `settle`,
which locks the subject, decides what the money buys and takes it into the books. Everything else about a charge is here.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from app.core.db import Session
from app.core.ids import new_id, prefix_of, wire
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.payments import charges, flows
from app.payments.discrepancies import record_discrepancy
from app.payments.errors import ChargeNotOpen, PaymentMismatch
from app.payments.flows import Prepaid
from app.payments.records import Charge
from app.payments.schemas import ChargeStatus, DiscrepancyKind, Outcome, PaymentView
from app.wechat import Transaction

Settle = Callable[[Session, Settings, Charge, Transaction], Awaitable[Outcome]]
"""Locks the charge's subject, then the charge (`lock_charge`), and takes the paid transaction, once. It commits
nothing and raises nothing for money that does not fit: that is recorded, and the outcome is MISMATCH."""


_TRIES = 3
"""How often a payment is begun anew when its charge is closed, or renewed, while WeChat is asked."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is still to be paid for a subject, by when, and into whose book."""

    amount_fen: int
    book: str
    expires_at: datetime


StillDue = Callable[[Session, UUID], Awaitable[Due | None]]
"""Locks a subject and answers what is still to be paid for it; None when it is paid, closed or its time is over."""


@dataclass(frozen=True, slots=True)
class Collector:
    """How one kind of subject is paid."""

    kind: str
    """The name of its subjects, as charges carry it."""
    id_type: Any
    """The type of their ids, such as OrderId."""
    settle: Settle
    still_due: StillDue

    def open(
        self,
        session: Session,
        settings: Settings,
        *,
        charge_id: UUID,
        subject_id: UUID,
        book: str,
        payer_openid: str,
        amount_fen: int,
        expires_at: datetime,
    ) -> Charge:
        """Begin to be paid for a subject, in the transaction that makes it. `prepay` asks WeChat after the commit."""
        return charges.open_charge(
            session,
            settings,
            charge_id=charge_id,
            subject_kind=self.kind,
            subject_id=subject_id,
            book=book,
            payer_openid=payer_openid,
            amount_fen=amount_fen,
            expires_at=expires_at,
        )

    async def prepay(self, runtime: Runtime, charge: Charge, *, description: str) -> PaymentView | None:
        """The payment of a subject right after it was placed with this charge; None when nothing is due any more.

        Raises UpstreamFailed, WechatRefused.
        """
        prepaid = await self._prepay(runtime, charge, description)
        if prepaid is not None:
            # What WeChat answered is not kept: the reply has it, and it answers the same number alike.
            return prepaid.view
        return await self.pay(runtime, charge.subject_id, description=description)

    async def _prepay(self, runtime: Runtime, charge: Charge, description: str) -> Prepaid | None:
        try:
            return await flows.prepay(runtime, charge, description=description)
        except ChargeNotOpen:
            return None

    async def pay(self, runtime: Runtime, subject_id: UUID, *, description: str) -> PaymentView | None:
        """The payment of a subject: the same charge while it lives, else a new one; None when nothing is due any more, or
        when another press of the button has just paid or closed the new one.

        Raises UpstreamFailed, WechatRefused.
        """
        for _ in range(_TRIES):
            async with runtime.db.transaction() as session:
                due = await self.still_due(session, subject_id)
                charge = await charges.latest_charge(session, subject_id)
            if due is None or charge is None:
                return None
            prepaid = await self._prepay(runtime, charge, description)
            if prepaid is None:
                renewed = await self._renew(runtime, charge)
                if renewed is None:
                    return None
                charge, prepaid = renewed, await self._prepay(runtime, renewed, description)
            if prepaid is None:
                return None
            if prepaid.fresh_id is None or await self._keep(runtime, charge, prepaid.fresh_id):
                return prepaid.view
        return None

    async def _keep(self, runtime: Runtime, charge: Charge, prepay_id: str) -> bool:
        """Keep what WeChat answered, unless the charge was closed or is being closed since it was read: by then WeChat may
        not have known it, so what this has just opened there is closed too."""
        async with runtime.db.transaction() as session:
            if await charges.keep_prepay(session, charge, prepay_id):
                return True
            stands = await charges.charge_with(session, charge.id)
        if stands.status is not ChargeStatus.OPEN:
            await self._close_or_settle(runtime, charge)
        return False

    async def _renew(self, runtime: Runtime, dead: Charge) -> Charge | None:
        """Another number for a subject whose old one cannot be paid any more; if it was paid after all, it is settled."""
        paid = await flows.close_at_wechat(runtime, dead)
        async with runtime.db.transaction() as session:
            if paid is not None:
                await self.settle(session, runtime.settings, dead, paid)
            due = await self.still_due(session, dead.subject_id)
            if due is None:
                return None
            latest = await charges.latest_charge(session, dead.subject_id)
            if latest is not None and latest.id != dead.id and latest.status is ChargeStatus.OPEN:
                return latest  # another press of the button was faster
            await charges.close_charge(session, dead.id)
            return self.open(
                session,
                runtime.settings,
                charge_id=new_id(),
                subject_id=dead.subject_id,
                book=due.book,
                payer_openid=dead.payer_openid,
                amount_fen=due.amount_fen,
                expires_at=due.expires_at,
            )

    async def confirm(self, runtime: Runtime, subject_id: UUID) -> None:
        """The client's "I paid": ask WeChat about the subject's charges and settle what it knows.

        Raises UpstreamFailed, WechatRefused.
        """
        async with runtime.db.transaction() as session:
            unsettled = await charges.charges_to_ask(session, subject_id)
        for charge in unsettled:
            paid = await flows.ask(runtime, charge)
            if paid is not None:
                await self._settle(runtime, charge, paid)

    async def close(self, runtime: Runtime, subject_id: UUID) -> Collection[UUID]:
        """Close every open charge of a subject at WeChat, settling what turns out to be paid; the charges' ids.

        The caller closes them here (`close_charges`) with the subject, in one transaction. Raises UpstreamFailed,
        WechatRefused.
        """
        async with runtime.db.transaction() as session:
            open_ones = await charges.open_charges(session, subject_id)
        for charge in open_ones:
            await self._close_or_settle(runtime, charge)
        return {charge.id for charge in open_ones}

    async def close_overdue(self, runtime: Runtime, charge: Charge) -> None:
        """Close a charge whose time is over, whatever became of its subject, unless WeChat turns out to have its money."""
        await self._close_or_settle(runtime, charge)
        async with runtime.db.transaction() as session:
            await charges.close_charge(session, charge.id)
            await charges.note_looked_again(session, charge.id)

    async def _close_or_settle(self, runtime: Runtime, charge: Charge) -> None:
        paid = await flows.close_at_wechat(runtime, charge)
        if paid is not None:
            await self._settle(runtime, charge, paid)

    async def _settle(self, runtime: Runtime, charge: Charge, paid: Transaction) -> None:
        async def settle() -> Outcome:
            async with runtime.db.transaction() as session:
                return await self.settle(session, runtime.settings, charge, paid)

        await _beside_rivals(settle)


async def _beside_rivals(settle: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Settle, and once more when the same transaction of WeChat's has just settled another charge: now that is seen."""
    try:
        return await settle()
    except asyncpg.UniqueViolationError:
        return await settle()


class Collectors:
    """Every kind of subject that can be paid for; one for the process, among the runtime's clients."""

    def __init__(self, collectors: Iterable[Collector]) -> None:
        self._by_kind = {collector.kind: collector for collector in collectors}

    def of(self, charge: Charge) -> Collector:
        """The collector of a charge's subject."""
        return self._by_kind[charge.subject_kind]

    def name_of(self, subject_kind: str, subject_id: UUID) -> str:
        """A subject's id as the API writes it."""
        return wire(prefix_of(self._by_kind[subject_kind].id_type), subject_id)

    async def take(self, runtime: Runtime, transaction: Transaction) -> None:
        """A verified word of payment, whatever it pays for. It is answered only after the commit.

        Raises PaymentMismatch after recording what does not fit.
        """
        outcome = await _beside_rivals(partial(self._take, runtime, transaction))
        if outcome is Outcome.MISMATCH:
            raise PaymentMismatch(merchant_trade_no=transaction.out_trade_no)

    async def _take(self, runtime: Runtime, transaction: Transaction) -> Outcome:
        async with runtime.db.transaction() as session:
            charge = await charges.charge_of(session, transaction)
            if charge is None:
                await record_discrepancy(session, transaction, kind=DiscrepancyKind.UNKNOWN, charge=None)
                return Outcome.MISMATCH
            return await self.of(charge).settle(session, runtime.settings, charge, transaction)

    async def close_overdue(self, runtime: Runtime, charge_id: UUID) -> None:
        """Close a charge whose time is over. Raises UpstreamFailed."""
        async with runtime.db.transaction() as session:
            charge = await charges.charge_with(session, charge_id)
        await self.of(charge).close_overdue(runtime, charge)
