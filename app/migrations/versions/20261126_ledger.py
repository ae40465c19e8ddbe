"""Ledger: transfers, entries, balances, and the triggers that keep them true."""

import sqlalchemy as sa
from alembic import op

revision = "20261126_ledger"
down_revision = "20261126_core"
branch_labels = None
depends_on = None

TRIGGERS = (
    """
    CREATE FUNCTION ledger_check_balanced() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
    DECLARE
        wrong uuid;
    BEGIN
        SELECT transfer_id INTO wrong FROM written GROUP BY transfer_id, book, unit HAVING sum(amount_fen) <> 0 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'transfer % does not sum to zero', wrong USING ERRCODE = 'check_violation';
        END IF;
        SELECT w.transfer_id INTO wrong FROM (SELECT DISTINCT transfer_id FROM written) w
        WHERE (SELECT t.id FROM ledger_transfer t WHERE t.id = w.transfer_id) IS NULL LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'there is no transfer %', wrong USING ERRCODE = 'foreign_key_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER ledger_entry_balanced AFTER INSERT ON ledger_entry REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_balanced()
    """,
    """
    CREATE FUNCTION siyu_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE TRIGGER ledger_transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION siyu_append_only()
    """,
    """
    CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION siyu_append_only()
    """,
)


def upgrade() -> None:
    op.create_table(
        "ledger_balance",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("balance_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("balance_fen >= 0", name=op.f("ledger_balance_balance_not_negative_check")),
        sa.PrimaryKeyConstraint("account", "book", "unit", "owner", name=op.f("ledger_balance_pkey")),
    )
    op.create_index("ledger_balance_owner_idx", "ledger_balance", ["owner"], unique=False)
    op.create_table(
        "ledger_transfer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("ledger_transfer_pkey")),
        sa.UniqueConstraint("kind", "key", name=op.f("ledger_transfer_kind_key_key")),
    )
    op.create_table(
        "ledger_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=True),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen <> 0", name=op.f("ledger_entry_amount_not_zero_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("ledger_entry_pkey")),
    )
    op.create_index(
        "ledger_entry_owner_idx", "ledger_entry", ["owner", "account"], postgresql_where=sa.text("owner IS NOT NULL")
    )
    op.create_index("ledger_entry_subject_account_idx", "ledger_entry", ["subject", "account"], unique=False)
    op.create_index(op.f("ledger_entry_transfer_id_idx"), "ledger_entry", ["transfer_id"], unique=False)
    for statement in TRIGGERS:
        op.execute(statement)
