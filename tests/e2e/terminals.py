"""spotbox on a terminal that a test types at, until somebody leaves."""

import os
import re
import signal

import pexpect

from tests.e2e.conftest import SPOTBOX


class Terminal:
    """spotbox on a terminal of 40 x 160."""

    def __init__(self, here, *args):
        self.child = pexpect.spawn(
            str(SPOTBOX), list(args), env=here.env, cwd=str(here.home), dimensions=(40, 160), encoding="utf-8",
            timeout=30, preexec_fn=deaf_no_more,
        )  # fmt: skip
        self.screen = ""

    def sees(self, text):
        assert self.child.expect([text, pexpect.TIMEOUT, pexpect.EOF]) == 0, self.screen + self.child.before
        self.screen += self.child.before + self.child.after
        return self

    def types(self, keys):
        self.child.send(keys)
        return self

    def closed(self):
        """Close the window, as the kernel tells of it: pexpect's own close sends other signals too. Its exit code."""
        os.close(self.child.child_fd)
        self.child.closed = self.child.ptyproc.closed = self.child.terminated = True
        _, status = os.waitpid(self.child.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def agrees(self):
        return self.sees("Go ahead").types("y")

    def ends(self):
        """Its last line, once it has ended with 130."""
        assert self.child.expect([pexpect.EOF, pexpect.TIMEOUT]) == 0, self.screen + self.child.before
        self.screen += self.child.before
        self.child.close()
        assert self.child.exitstatus == 130, self.screen
        assert "Traceback" not in self.screen
        return last_line(self.screen)


def last_line(text):
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.replace("\r\x1b[K", "\n"))
    return [line for line in text.replace("\r", "\n").split("\n") if line.strip()][-1].strip()


def deaf_no_more():
    """A shell's background job ignores Ctrl-C, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
