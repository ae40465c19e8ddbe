"""Time. Deadlines compare with the database's clock; this module serves what Python must say about time."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")


def utc_now() -> datetime:
    """The process's own idea of now: for tokens, headers and log lines, never for a deadline kept in the database."""
    return datetime.now(UTC)


def rfc3339(at: datetime) -> str:
    """`2026-11-21T13:15:00.123Z`"""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Report days are converted here and nowhere else.
def china_date(at: datetime) -> date:
    """The China day that a moment belongs to."""
    return at.astimezone(CHINA).date()


def china_day(day: date) -> tuple[datetime, datetime]:
    """The half-open UTC range `[from, to)` of one China day."""
    start = datetime(day.year, day.month, day.day, tzinfo=CHINA)
    end = start + timedelta(days=1)
    return start.astimezone(UTC), end.astimezone(UTC)
