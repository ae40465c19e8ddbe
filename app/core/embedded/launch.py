"""The step between the owner and a server: run as `python launch.py`, it turns itself into the server.

Tying a server to its owner's life (PR_SET_PDEATHSIG) has to happen inside the new process and after the change of
user, because the kernel forgets the setting when the user changes. `preexec_fn` would be the place, but it runs Python
in a forked copy of a process full of threads, which may deadlock; and `Popen(user=…)` leaves no moment after the
change of user. So the new process starts as this small script (standard library only, about 20 ms), and `exec` keeps
both its pid and the setting: the server is a direct child of the owner.

Arguments: the owner's pid, the signal to be sent when the owner dies, uid, gid, then the server's command line.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def become(owner: int, death_signal: int, uid: int, gid: int, command: list[str]) -> None:
    """Replace this process by `command`; returns only by raising OSError."""
    os.umask(0o077)
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != owner:  # it died before the line above: no signal will ever come
            sys.exit(1)
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606  no shell is needed


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
