"""Whose program is at the other end of a loopback connection, where the system tells (Linux).

A box gives a shell with the rights of whoever started the sandbox, so another user of the machine must not launch one.
"""

import os
from pathlib import Path

_TABLE = Path("/proc/net/tcp")
_LOOPBACK = "0100007F"  # 127.0.0.1 as the table writes it


def user_of(client_port: int, server_port: int, table: Path = _TABLE) -> int | None:
    """The user id that owns the client's end of a connection on 127.0.0.1; None where it cannot be told."""
    ends = f" {_LOOPBACK}:{client_port:04X} {_LOOPBACK}:{server_port:04X} "
    try:
        # Searched as one text: a machine that tests has thousands of connections that have just ended.
        _, found, row = table.read_text().partition(ends)
        return int(row.split(None, 5)[4]) if found else None
    except (OSError, ValueError, IndexError):
        return None


def is_ours(client_port: int, server_port: int) -> bool:
    """Whether the caller is this process's user, or root; true too where the system does not tell."""
    user = user_of(client_port, server_port)
    return user in (None, 0, os.getuid())
