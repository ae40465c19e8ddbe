"""Which system user runs PostgreSQL, and what that user can reach. Only root has to ask: PostgreSQL refuses root."""

import os
import pwd
import shutil
import stat
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from .errors import EngineFailed

SERVER_USER = "siyu-postgres"
SUBSTITUTES = ("postgres", "nobody")


class Account(NamedTuple):
    """The user and group of a server process."""

    uid: int
    gid: int

    @property
    def is_us(self) -> bool:
        return self.uid == os.geteuid()

    def reaches(self, path: Path) -> bool:
        """Whether this user may pass through every folder from the root down to `path`, and `path` itself."""
        return all(self._passes(folder.stat()) for folder in (path, *path.parents))

    def _passes(self, entry: os.stat_result) -> bool:
        if self.uid in (0, entry.st_uid):
            return self.uid == 0 or bool(entry.st_mode & stat.S_IXUSR)
        return bool(entry.st_mode & (stat.S_IXGRP if self.gid == entry.st_gid else stat.S_IXOTH))

    def take_over(self, path: Path) -> None:
        """Make this user the owner of `path` and of everything below it."""
        for entry in (path, *path.rglob("*")):
            os.chown(entry, self.uid, self.gid, follow_symlinks=False)


def ourselves() -> Account:
    return Account(os.geteuid(), os.getegid())


def postgres_account(cluster: Path) -> Account:
    """The user to run PostgreSQL as: the owner of an existing cluster, else ourselves, else root's stand-in.

    Raises EngineFailed when the cluster is another user's, or when root finds no user to hand over to.
    """
    owner = cluster.stat() if cluster.is_dir() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise EngineFailed(f"{cluster} belongs to another user (uid {owner.st_uid}); choose another SIYU_DATA_DIR")
        return ourselves()
    if owner is not None and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    return _stand_in()


def _stand_in() -> Account:
    useradd = shutil.which("useradd", path=os.defpath + ":/usr/sbin:/sbin")
    for attempt in range(5):
        if (found := _lookup(SERVER_USER)) is not None:
            return found
        if useradd is None:
            break
        time.sleep(0.1 * attempt)  # the user database is locked while another process adds a user
        options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        subprocess.run([useradd, *options, SERVER_USER], capture_output=True, check=False)  # noqa: S603  our own words
    for name in (SERVER_USER, *SUBSTITUTES):
        if (found := _lookup(name)) is not None:
            return found
    raise EngineFailed(
        f"PostgreSQL refuses to run as root, and there is no user {SERVER_USER} to run it as: "
        "create one, start as another user, or set SIYU_DATABASE_URL"
    )


def _lookup(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)
