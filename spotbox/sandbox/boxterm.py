"""The pseudo-terminal of a session: open it, give it the client's size and modes."""

import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Mapping

# RFC 4254, section 8 (42: RFC 8160): opcodes that OpenSSH sends and a program on the box can notice.
_CHARS = {1: "VINTR", 2: "VQUIT", 3: "VERASE", 4: "VKILL", 5: "VEOF", 6: "VEOL", 7: "VEOL2", 8: "VSTART", 9: "VSTOP"}
_CHARS |= {10: "VSUSP", 12: "VREPRINT", 13: "VWERASE", 14: "VLNEXT", 18: "VDISCARD"}
_FLAGS = {  # opcode -> (index into tcgetattr's list, name)
    **{code: (0, name) for code, name in ((34, "INLCR"), (35, "IGNCR"), (36, "ICRNL"), (38, "IXON"), (39, "IXANY"))},
    **{code: (0, name) for code, name in ((40, "IXOFF"), (41, "IMAXBEL"), (42, "IUTF8"))},
    **{code: (3, name) for code, name in ((50, "ISIG"), (51, "ICANON"), (53, "ECHO"), (54, "ECHOE"), (55, "ECHOK"))},
    **{code: (3, name) for code, name in ((56, "ECHONL"), (57, "NOFLSH"), (58, "TOSTOP"), (59, "IEXTEN"))},
    **{code: (3, name) for code, name in ((60, "ECHOCTL"), (61, "ECHOKE"))},
    **{code: (1, name) for code, name in ((70, "OPOST"), (72, "ONLCR"), (73, "OCRNL"), (74, "ONOCR"), (75, "ONLRET"))},
}
_IUTF8 = 0x4000  # Linux and macOS agree; the termios module has it only from Python 3.13


def open_terminal(size: tuple[int, int, int, int], modes: Mapping[int, int]) -> tuple[int, int, str]:
    """A new pty with the client's size (columns, rows, pixels) and RFC 4254 modes: (master, slave, its name)."""
    master, slave = os.openpty()
    set_size(master, size)
    with contextlib.suppress(termios.error, OverflowError):
        set_modes(slave, modes)
    return master, slave, os.ttyname(slave)


def set_size(fd: int, size: tuple[int, int, int, int]) -> None:
    """Give the terminal its size in columns, rows and pixels; a size no terminal can have is ignored."""
    columns, rows, wide, high = size
    with contextlib.suppress(struct.error, OSError):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, wide, high))


def set_modes(fd: int, modes: Mapping[int, int]) -> None:
    """Set the modes that the client's own terminal has; unknown opcodes are left as they are."""
    attributes = termios.tcgetattr(fd)
    for code, value in modes.items():
        if code in _CHARS:
            index = getattr(termios, _CHARS[code], None)
            if index is not None:
                attributes[6][index] = bytes([value]) if value < 255 else b"\0"  # 255: the key does nothing
        elif code in _FLAGS:
            field, name = _FLAGS[code]
            bit = _IUTF8 if name == "IUTF8" else getattr(termios, name, 0)
            attributes[field] = attributes[field] | bit if value else attributes[field] & ~bit
    termios.tcsetattr(fd, termios.TCSANOW, attributes)
