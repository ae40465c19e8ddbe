"""One line of migrations, equal to the models; the queue's own tables as its library wants them."""

import os
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from pgqueuer import PgQueuer

from app.core.db import Database, asyncpg_url
from app.migrations import schema
from tests import sql


def test_there_is_one_head_and_one_root() -> None:
    scripts = ScriptDirectory.from_config(schema.alembic_config())
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1
    assert [script for script in scripts.walk_revisions() if script.is_merge_point or script.is_branch_point] == []


def test_a_database_ahead_of_the_code_is_served_and_one_behind_is_not() -> None:
    """A rollout migrates first, and the processes of the version before go on."""
    lineage = [script.revision for script in ScriptDirectory.from_config(schema.alembic_config()).walk_revisions()]
    assert lineage[0] == schema.head()
    assert schema.serves(schema.head())
    assert schema.serves("29991231_what_a_later_version_brings")
    assert not any(schema.serves(older) for older in lineage[1:])
    assert not schema.serves(None)
    assert not schema.serves("0009"), "of a version before 0.2.0"


MIGRATIONS = {path.stem: path.read_bytes() for path in (Path(schema.__file__).parent / "versions").glob("2*.py")}
KEPT = Path(__file__).parent / "frozen_migrations.txt"


def frozen(kept: str, migrations: Mapping[str, bytes]) -> str:
    """The kept digests of migrations, one in a line, with those of the files that are new."""
    names = {line.split()[1] for line in kept.splitlines()}
    new = [f"{sha256(migrations[name]).hexdigest()} {name}" for name in migrations.keys() - names]
    return "".join(f"{line}\n" for line in sorted([*kept.splitlines(), *new], key=lambda line: line.split()[1]))


def test_a_migration_is_named_by_its_date_and_is_never_changed() -> None:
    """SIYU_UPDATE_SNAPSHOTS=1 adds a line for a new file, and changes none."""
    assert [name for name in MIGRATIONS if not re.fullmatch(r"20\d{6}_[a-z0-9_]{3,23}", name)] == []
    assert {
        script.revision for script in ScriptDirectory.from_config(schema.alembic_config()).walk_revisions()
    } == MIGRATIONS.keys()
    if os.environ.get("SIYU_UPDATE_SNAPSHOTS"):
        KEPT.write_text(frozen(KEPT.read_text(), MIGRATIONS))
    kept = dict(reversed(line.split()) for line in KEPT.read_text().splitlines())
    assert MIGRATIONS.keys() - kept.keys() == set(), "run with SIYU_UPDATE_SNAPSHOTS=1 when it is finished"
    changed = [name for name, digest in kept.items() if sha256(MIGRATIONS.get(name, b"")).hexdigest() != digest]
    assert changed == [], "a database that has run it stays as it is: add another migration"


def test_the_digest_of_a_changed_migration_is_not_renewed() -> None:
    once = frozen("", {"20261126_b": b"b", "20261126_a": b"a"})
    assert [line.split()[1] for line in once.splitlines()] == ["20261126_a", "20261126_b"]
    assert frozen(once, {"20261126_b": b"changed", "20261126_a": b"a"}) == once
    later = frozen(once, {"20261126_b": b"b", "20261126_a": b"a", "20261201_c": b"c"})
    assert later.splitlines()[:2] == once.splitlines()
    assert later.splitlines()[2].endswith(" 20261201_c")


async def test_a_database_of_the_earlier_history_is_refused(db: Database) -> None:
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE alembic_version SET version_num = '0009'")
    with pytest.raises(schema.TooOld, match="0009"):
        await schema.upgrade(db)


async def test_models_and_migrations_agree(db: Database) -> None:
    assert await schema.current(db) == schema.head()
    assert await schema.drift(db) == []


async def test_migrating_a_migrated_database_changes_nothing(db: Database) -> None:
    await schema.upgrade(db)
    assert await schema.current(db) == schema.head()


async def test_the_queue_finds_its_tables(db: Database) -> None:
    connection = await asyncpg.connect(asyncpg_url(db.url))
    try:
        await PgQueuer.from_asyncpg_connection(connection).qm.verify_structure()
    finally:
        await connection.close()
