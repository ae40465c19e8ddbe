"""The embedded PostgreSQL: a cluster in the data folder, reached only through a private Unix socket."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from .accounts import Account, postgres_account
from .errors import EngineFailed
from .places import outside_home, postgres_binary, private_folder, reachable_binary, socket_folder
from .processes import Child, Children, Log, environment, runs, wait_until

NAME = "siyu"  # of the database and of its superuser
CREATE_MISSING_DATABASE = (
    f"SELECT 'CREATE DATABASE {NAME}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{NAME}') \\gexec\n"
)
TUNING = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "autovacuum": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "logging_collector": "off",
    "fsync": "on",
    "synchronous_commit": "on",
}
DISPOSABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """A PostgreSQL server on a Unix socket.

    A `disposable` one (of the test environment) trades the safety of its data for speed.
    """

    name = "postgres"
    executable = "postgres"
    stop_signal = signal.SIGINT  # "fast": roll back what is open, write a checkpoint, end

    def __init__(self, data_dir: Path, *, disposable: bool) -> None:
        self.log = Log(data_dir / "run" / "postgres.log")
        self._data_dir = data_dir
        self._disposable = disposable
        self._sockets = Path()

    @property
    def socket(self) -> Path:
        return self._sockets / ".s.PGSQL.5432"

    @property
    def url(self) -> str:
        return f"postgresql://{NAME}@/{NAME}?host={quote(str(self._sockets))}"

    def start(self, children: Children) -> Child:
        account = postgres_account(self._data_dir / "postgres")
        cluster = self._cluster(account)
        if not cluster.exists():
            self._create(cluster, account, children)
        if not account.is_us and cluster.stat().st_uid != account.uid:  # root copied or restored it
            account.take_over(cluster)
        inside = account.is_us or account.reaches(self._data_dir)
        preferred = (self._data_dir if inside else cluster.parent) / "run" / self.name
        if not inside:
            preferred.parent.mkdir(mode=0o711, exist_ok=True)
        self._sockets = socket_folder(preferred, self._data_dir, account)
        for stale in (self.socket, self.socket.with_name(f"{self.socket.name}.lock")):
            stale.unlink(missing_ok=True)
        _disown(cluster)
        options = [f"--{name}={value}" for name, value in self._options()]
        binary = reachable_binary(self.executable, account)
        return children.start([binary, "-D", cluster, *options], account, self.log, self.stop_signal)

    def answers(self) -> bool:
        """Whether it serves queries; on the way the database is created if it is missing."""
        if not self.socket.exists():
            return False
        command = [str(postgres_binary("psql")), "-X", "-q", "-w", "-v", "ON_ERROR_STOP=1"]
        target = ["-h", str(self._sockets), "-U", NAME, "-d", "postgres"]
        try:
            done = subprocess.run(  # noqa: S603  our own words
                [*command, *target],
                input=CREATE_MISSING_DATABASE.encode(),
                capture_output=True,
                env=environment(),
                timeout=10,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def _options(self) -> Iterator[tuple[str, str]]:
        yield from (TUNING | (DISPOSABLE if self._disposable else {})).items()
        yield "unix_socket_directories", f'"{self._sockets}"'

    def _cluster(self, account: Account) -> Path:
        """Where the cluster is or will be. Raises EngineFailed when something else is there, or it is out of reach."""
        link = self._data_dir / "postgres"
        if link.is_symlink() and not link.exists():
            raise EngineFailed(f"{link} leads to {link.readlink()}, which is gone; delete the link to begin anew")
        if link.is_dir() and not any(link.iterdir()):
            link.rmdir()
        if not link.exists():
            inside = account.is_us or account.reaches(self._data_dir)
            return link if inside else outside_home(self._data_dir, disposable=self._disposable) / "postgres"
        cluster = link.resolve()
        if not (cluster / "PG_VERSION").is_file():
            raise EngineFailed(f"{cluster} holds something that is not a database cluster; move it away")
        if not account.is_us and not account.reaches(cluster.parent):
            raise EngineFailed(
                f"PostgreSQL cannot run as root, and its user (uid {account.uid}) cannot reach {cluster}"
            )
        return cluster

    def _create(self, cluster: Path, account: Account, children: Children) -> None:
        # Under another name until it is whole: a start that was killed half-way leaves nothing that looks like ours.
        unfinished = private_folder(cluster.with_name(f"postgres.new-{secrets.token_hex(4)}"), account)
        initdb_program = str(reachable_binary("initdb", account))
        command = [initdb_program, "-D", str(unfinished), "-U", NAME, "--auth=trust"]
        # The built-in provider sorts by code point and knows Unicode's cases, the same on every system.
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--no-instructions", *(["--no-sync"] if self._disposable else [])]
        initdb = children.start(command, account, self.log, signal.SIGKILL)
        wait_until(lambda: initdb.poll() == 0, initdb, self.log)
        unfinished.rename(cluster)
        # Of a start that was killed a moment ago some process may have gone on writing for a while: not any more by now.
        for abandoned in cluster.parent.glob("postgres.new-*"):
            shutil.rmtree(abandoned, ignore_errors=True)


def _disown(cluster: Path) -> None:
    """Keep a stale postmaster.pid from blocking the start because some other process has that pid now.

    The file itself stays: by it PostgreSQL finds out whether processes of the former server still use the cluster's
    memory, and then refuses to start. Only the pid is replaced, by ours: a server ignores a lock of its own parent.
    """
    lock = cluster / "postmaster.pid"
    try:
        lines = lock.read_text().splitlines(keepends=True)
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        return
    if not runs(pid, Postgres.executable):  # else it may be a server somebody started by hand: let ours refuse
        lock.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
