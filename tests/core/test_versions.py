"""Versioned rules: added, never changed, and picked as of a moment. The table is the one of a rule with three numbers."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.attribution.models import RuleRow
from app.core import versions
from app.core.db import Database
from app.core.ids import AttributionRuleId, new_id, wire
from app.core.paging import Paging
from app.core.versions import Version, Versioned
from tests import sql


class Rule(Version, frozen=True, kw_only=True):
    share_touch_ttl_s: int
    room_touch_ttl_s: int = 0
    guide_touch_ttl_s: int = 0


DEFAULT = Rule(share_touch_ttl_s=1_000)
RULES = Versioned(RuleRow, Rule, AttributionRuleId, default=DEFAULT)
AUTHOR = new_id()
INSTANT = timedelta(microseconds=1)


@pytest.fixture
async def three(db: Database) -> list[Rule]:
    """Three versions, each added in a transaction of its own."""
    added = []
    for seconds in (100, 200, 300):
        async with db.transaction() as session:
            added.append(await RULES.add(session, Rule(share_touch_ttl_s=seconds), created_by=AUTHOR))
    return added


async def test_a_version_counts_from_its_adding_by_the_clock_of_the_database(db: Database, three: list[Rule]) -> None:
    first, second, third = three
    assert first.valid_from is not None
    assert second.valid_from is not None
    assert (third.share_touch_ttl_s, third.room_touch_ttl_s, third.created_by) == (300, 0, AUTHOR)
    async with db.transaction() as session:
        now = await sql.fetchval(session, "SELECT clock_timestamp()")
        assert first.valid_from < second.valid_from < now
        assert await RULES.as_of(session, now) == third
        assert await RULES.as_of(session, second.valid_from) == second, "from that moment on"
        assert await RULES.as_of(session, second.valid_from - INSTANT) == first
        assert await RULES.as_of(session, first.valid_from - INSTANT) is DEFAULT


async def test_each_of_many_moments_picks_its_version(db: Database, three: list[Rule]) -> None:
    first, second, _ = three
    assert first.valid_from is not None
    assert second.valid_from is not None
    async with db.transaction() as session:
        versions = await RULES.until(session, second.valid_from)
    assert versions == [first, second]
    assert RULES.at(versions, second.valid_from) is versions[1]
    assert RULES.at(versions, second.valid_from - INSTANT) is versions[0]
    assert RULES.at(versions, first.valid_from - INSTANT) is DEFAULT
    assert RULES.at([], second.valid_from) is DEFAULT


async def test_versions_are_listed_newest_first_and_found_by_id(db: Database, three: list[Rule]) -> None:
    _, second, _ = three
    assert second.id is not None
    async with db.transaction() as session:
        page = await RULES.page(session, Paging(limit=2, count=True), lambda rule: rule.share_touch_ttl_s)
        assert (page.items, page.next, page.count) == ([300, 200], wire("atr", second.id), 3)
        rest = await RULES.page(session, Paging(limit=2, after=page.next), lambda rule: rule.share_touch_ttl_s)
        assert (rest.items, rest.next) == ([100], None)
        assert await RULES.by_id(session, second.id) == second
        assert await RULES.by_id(session, None) is DEFAULT


async def test_versions_are_listed_by_when_they_began_whatever_the_clocks_of_their_processes_said(
    db: Database, three: list[Rule], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "new_id", lambda: UUID(int=new_id().int - (60_000 << 80)))
    async with db.transaction() as session:
        await RULES.add(session, Rule(share_touch_ttl_s=400), created_by=AUTHOR)
    async with db.transaction() as session:
        listed, after = list[int](), None
        for _ in range(4):
            page = await RULES.page(session, Paging(limit=1, after=after), lambda rule: rule.share_touch_ttl_s)
            listed, after = listed + page.items, page.next
    assert (listed, after) == ([400, 300, 200, 100], None)


def test_a_version_has_the_columns_of_its_table() -> None:
    class Wrong(Version, frozen=True, kw_only=True):
        missing_bps: int

    with pytest.raises(AssertionError, match="RuleRow has no missing_bps"):
        Versioned(RuleRow, Wrong, AttributionRuleId, default=Wrong(missing_bps=0))
