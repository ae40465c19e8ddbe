"""The books: written once, balanced, never changed, and balances equal to their entries, whoever posts at once."""

import asyncio
import random
from uuid import UUID

import asyncpg
import pytest

from app import ledger
from app.core.db import Database, Session
from app.core.ids import new_id
from app.ledger import Account, BalanceTooLow, Entry, Standing, Transfer, Unbalanced, credit, debit
from app.ledger.audit import audit as ledger_audit
from tests import sql
from tests.audit import count

BOOK = "brand"


async def breaches(db: Database) -> list[str]:
    """What the ledger's own audit says: these tests post to payees' accounts without a hold."""
    async with db.transaction() as session:
        return await ledger_audit(session)


def release(owner: UUID, amount_fen: int, key: str | None = None) -> Transfer:
    """An earning that is available at once."""
    subject = new_id()
    return Transfer(
        book=BOOK,
        kind="released",
        key=key or subject.hex,
        entries=[
            debit(Account.PAYOUT_COST, amount_fen, subject),
            credit(Account.PAYEE_AVAILABLE, amount_fen, subject, owner),
        ],
    )


def withdraw(owner: UUID, amount_fen: int) -> Transfer:
    subject = new_id()
    return Transfer(
        book=BOOK,
        kind="withdrawn",
        key=subject.hex,
        entries=[
            debit(Account.PAYEE_AVAILABLE, amount_fen, subject, owner),
            credit(Account.PAYEE_WITHDRAWING, amount_fen, subject, owner),
        ],
    )


async def post(db: Database, *transfers: Transfer) -> None:
    async with db.transaction() as session:
        await ledger.post(session, *transfers)


async def balance(db: Database, owner: UUID, account: Account) -> int:
    query = """SELECT coalesce((SELECT balance_fen FROM ledger_balance WHERE owner = $1 AND account = $2), 0)"""
    return await count(db, query, owner, account.value)


async def test_a_transfer_moves_the_balances_of_payees(db: Database) -> None:
    owner = new_id()
    await post(db, release(owner, 500), release(owner, 250))
    await post(db, withdraw(owner, 600))
    assert await balance(db, owner, Account.PAYEE_AVAILABLE) == 150
    assert await balance(db, owner, Account.PAYEE_WITHDRAWING) == 600
    async with db.transaction() as session:
        assert await ledger.standing_of(session, owner) == Standing(
            held_fen=0, available_fen=150, withdrawing_fen=600, debt_fen=0, paid_out_fen=0
        )
    assert await breaches(db) == []


async def test_paid_out_is_what_left_for_good(db: Database) -> None:
    owner, subject = new_id(), new_id()
    from_withdrawing = debit(Account.PAYEE_WITHDRAWING, 300, subject, owner)
    gone = [from_withdrawing, credit(Account.WECHAT_AVAILABLE, 280, subject), credit(Account.TAX_WITHHELD, 20, subject)]
    back = [from_withdrawing, credit(Account.PAYEE_AVAILABLE, 300, subject, owner)]
    await post(db, release(owner, 900), withdraw(owner, 600))
    await post(db, Transfer(BOOK, "succeeded", "1", gone), Transfer(BOOK, "failed", "1", back))
    async with db.transaction() as session:
        standing = await ledger.standing_of(session, owner)
    assert (standing.available_fen, standing.withdrawing_fen, standing.paid_out_fen) == (600, 0, 300)
    assert await breaches(db) == []


async def test_a_fact_is_posted_once(db: Database) -> None:
    owner = new_id()
    await post(db, release(owner, 500, key="same"))
    with pytest.raises(asyncpg.UniqueViolationError):
        await post(db, release(owner, 500, key="same"))
    assert await balance(db, owner, Account.PAYEE_AVAILABLE) == 500
    assert await breaches(db) == []


async def test_what_does_not_sum_to_zero_is_not_written(db: Database) -> None:
    subject = new_id()
    wrong = Transfer(BOOK, "wrong", "1", [debit(Account.BANK, 2, subject), credit(Account.SALES, 1, subject)])
    with pytest.raises(Unbalanced):
        await post(db, release(new_id(), 1), wrong)
    assert await count(db, "SELECT count(*) FROM ledger_transfer") == 0


async def test_entries_of_nothing_leave_no_trace(db: Database) -> None:
    subject = new_id()
    nothing = Transfer(BOOK, "nothing", "1", [debit(Account.BANK, 0, subject), credit(Account.SALES, 0, subject)])
    await post(db, nothing)
    assert await count(db, "SELECT count(*) FROM ledger_transfer") == 0
    assert await breaches(db) == []


async def test_a_balance_never_goes_below_zero(db: Database) -> None:
    owner, stranger = new_id(), new_id()
    await post(db, release(owner, 100))
    for payee in (owner, stranger):
        with pytest.raises(BalanceTooLow):
            await post(db, withdraw(payee, 101))
    assert await balance(db, owner, Account.PAYEE_AVAILABLE) == 100
    assert await breaches(db) == []


async def test_of_many_withdrawals_at_once_the_covered_ones_go_through(db: Database) -> None:
    owner = new_id()
    await post(db, release(owner, 1_000))

    async def attempt() -> bool:
        try:
            await post(db, withdraw(owner, 300))
        except BalanceTooLow:
            return False
        return True

    assert sum(await asyncio.gather(*(attempt() for _ in range(20)))) == 3
    assert await balance(db, owner, Account.PAYEE_AVAILABLE) == 100
    assert await breaches(db) == []


async def test_batches_for_the_same_payees_in_any_order_never_deadlock(db: Database) -> None:
    owners = [new_id() for _ in range(8)]
    chance = random.Random(2)
    batches = [[release(owner, 10) for owner in chance.sample(owners, 5)] for _ in range(80)]
    await asyncio.gather(*(post(db, *batch) for batch in batches))
    total = sum([await balance(db, owner, Account.PAYEE_AVAILABLE) for owner in owners])
    assert total == 80 * 5 * 10
    assert await breaches(db) == []


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE ledger_entry SET amount_fen = amount_fen + 1",
        "DELETE FROM ledger_entry",
        "UPDATE ledger_transfer SET kind = 'other'",
        "DELETE FROM ledger_transfer",
        "TRUNCATE ledger_entry",
        "UPDATE ledger_balance SET balance_fen = -1",
    ],
)
async def test_the_database_itself_refuses_changes_of_what_is_written(db: Database, attack: str) -> None:
    await post(db, release(new_id(), 100))
    with pytest.raises(asyncpg.PostgresError):
        async with db.transaction() as session:
            await sql.execute(session, attack)
    assert await breaches(db) == []


async def test_the_database_itself_refuses_a_transfer_that_is_off(db: Database) -> None:
    """A verb with a bug that goes around `post` fails at its commit."""

    async def one_sided(session: Session) -> None:
        transfer = new_id()
        await sql.execute(session, "INSERT INTO ledger_transfer (id, kind, key) VALUES ($1, 'bug', 'bug')", transfer)
        await sql.execute(
            session,
            """INSERT INTO ledger_entry (transfer_id, book, unit, account, subject, amount_fen)
               VALUES ($1, 'brand', 'CNY_FEN', 'bank', $1, 100), ($1, 'other', 'CNY_FEN', 'sales', $1, -100)""",
            transfer,
        )

    with pytest.raises(Exception, match=r"(?i)zero|balance|sum"):
        async with db.transaction() as session:
            await one_sided(session)
    assert await count(db, "SELECT count(*) FROM ledger_entry") == 0


async def test_the_database_itself_refuses_entries_of_no_transfer(db: Database) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with db.transaction() as session:
            await sql.execute(
                session,
                """INSERT INTO ledger_entry (transfer_id, book, unit, account, subject, amount_fen)
                   VALUES ($1, 'brand', 'CNY_FEN', 'bank', $1, 100), ($1, 'brand', 'CNY_FEN', 'sales', $1, -100)""",
                new_id(),
            )


async def test_moves_are_transfers_of_one_kind(db: Database) -> None:
    owners, subjects = [new_id(), new_id()], [new_id(), new_id()]
    moves = [
        ledger.Move(book=BOOK, key=str(subject), subject=subject, owner=owner, amount_fen=amount_fen)
        for owner, subject, amount_fen in zip(owners, subjects, (700, 300), strict=True)
    ]
    async with db.transaction() as session:
        await ledger.post_moves(session, [], kind="held", debit=Account.PAYOUT_COST, credit=Account.PAYEE_HELD)
        await ledger.post_moves(session, moves, kind="held", debit=Account.PAYOUT_COST, credit=Account.PAYEE_HELD)
        await ledger.post_moves(session, moves[:1], kind="taken", debit=Account.PAYEE_HELD, credit=Account.PAYOUT_COST)
        assert [(await ledger.standing_of(session, owner)).held_fen for owner in owners] == [0, 300]
        assert [
            (entry.kind, entry.account, entry.amount_fen, entry.owner)
            for entry in await ledger.entries_about(session, subjects[0])
        ] == [
            ("held", Account.PAYOUT_COST, 700, None),
            ("held", Account.PAYEE_HELD, -700, owners[0]),
            ("taken", Account.PAYEE_HELD, 700, owners[0]),
            ("taken", Account.PAYOUT_COST, -700, None),
        ]
    with pytest.raises(asyncpg.UniqueViolationError):
        async with db.transaction() as session:
            await ledger.post_moves(session, moves, kind="held", debit=Account.PAYOUT_COST, credit=Account.PAYEE_HELD)
    assert await count(db, "SELECT count(*) FROM ledger_transfer") == 3
    assert await breaches(db) == []


async def test_moves_take_no_more_than_each_owner_has(db: Database) -> None:
    owner, stranger = new_id(), new_id()
    held = [_move(owner, 100), _move(owner, 50)]
    async with db.transaction() as session:
        await ledger.post_moves(session, held, kind="held", debit=Account.PAYOUT_COST, credit=Account.PAYEE_HELD)
    for taken in ([_move(owner, 151)], [_move(owner, 100), _move(owner, 51)], [_move(owner, 1), _move(stranger, 1)]):
        with pytest.raises(BalanceTooLow):
            async with db.transaction() as session:
                await ledger.post_moves(
                    session, taken, kind="taken", debit=Account.PAYEE_HELD, credit=Account.PAYOUT_COST
                )
    assert await balance(db, owner, Account.PAYEE_HELD) == 150
    assert await breaches(db) == []


def _move(owner: UUID, amount_fen: int) -> ledger.Move:
    subject = new_id()
    return ledger.Move(book=BOOK, key=str(subject), subject=subject, owner=owner, amount_fen=amount_fen)


async def test_the_audit_sees_a_balance_that_is_not_its_entries(db: Database) -> None:
    """The auditor can fail: a balance changed by hand is found."""
    owner = new_id()
    await post(db, release(owner, 100))
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE ledger_balance SET balance_fen = 99")
    (breach,) = await breaches(db)
    assert str(owner) in breach


def test_an_amount_has_a_side() -> None:
    subject = new_id()
    assert debit(Account.BANK, 5, subject) == Entry(Account.BANK, 5, subject)
    assert credit(Account.BANK, 5, subject).amount_fen == -5
    for side in (debit, credit):
        with pytest.raises(AssertionError):
            side(Account.BANK, -1, subject)
