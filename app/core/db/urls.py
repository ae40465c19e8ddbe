"""How a database URL is written for the driver and for SQLAlchemy."""

from sqlalchemy import make_url

ENGINE_URL = "postgresql+asyncpg://"
"""For SQLAlchemy, which hands the rest to the driver: `connect_args={"dsn": asyncpg_url(…)}`."""


def asyncpg_url(database_url: str) -> str:
    """The URL as the driver takes it: libpq's parameters, and SQLAlchemy's `ssl` as another word for `sslmode`."""
    url = make_url(database_url).set(drivername="postgresql")
    if "ssl" in url.query:
        url = url.update_query_dict({"sslmode": url.query["ssl"]}).difference_update_query(["ssl"])
    return url.render_as_string(hide_password=False)
