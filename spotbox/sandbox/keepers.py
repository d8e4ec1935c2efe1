"""The start of a keeper process (boxkeeper.py), which stands between the sandbox and a program."""

import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

from spotbox.sandbox.boxfiles import HERE


def start_keeper(
    words: Sequence[str], env: Mapping[str, str], cwd: str, stdio: tuple[int, int, int]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A keeper with `words` (`tty` or `pipe`, argv[0], path, arguments), and the sandbox's end of its socket.

    `stdio` as subprocess takes stdin, stdout and stderr. Raises OSError or ValueError where it cannot be started.
    """
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-I", "-S", str(HERE / "boxkeeper.py"), str(theirs.fileno()), *words]
    try:
        process = subprocess.Popen(
            command,
            stdin=stdio[0],
            stdout=stdio[1],
            stderr=stdio[2],
            env=dict(env),
            cwd=cwd,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours
