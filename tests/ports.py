"""A port for a program that cannot be told to take any that is free."""

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has.

    It lies below those that a system gives to whoever asks for any (from 32768 on with Linux, ip(7)): none of these
    takes it before the program does.
    """
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
