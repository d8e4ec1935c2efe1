"""The one exception that reaches the user: what happened, what to do, and the exit code."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the contract; scripts branch on them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_CAPACITY = 3
    QUOTA = 4
    DENIED = 5
    STILL_BILLS = 6
    NO_SUCH_BOX = 7
    INTERRUPTED = 130


class SpotboxError(Exception):
    """A failure with one line that says what, one that says what next, and its exit code.

    `code` is AWS's own error code where AWS refused, so that callers may branch on it; else None.
    """

    def __init__(self, message: str, hint: str = "", exit_code: Exit = Exit.FAILED, code: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        self.code = code


class Ended(KeyboardInterrupt):
    """The process was asked to end by a signal other than Ctrl-C: nobody is there to be asked. `name` is SIGTERM..."""

    def __init__(self, name: str):
        super().__init__(name)
        self.name = name


class UsageError(SpotboxError):
    """The user gave something that cannot be meant: exit 2."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message, hint, Exit.USAGE)
