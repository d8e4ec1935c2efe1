"""Is everything in order: what a check says, and the exit code that comes of several."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.refusals import DENIED, refusal
from spotbox.core.remedies import Remedies

KEYS = ("check", "status", "detail", "remedy")


class Status(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One row: what was looked at, how it is, and the command that mends it; `exit` is the code of its kind."""

    check: str
    status: Status
    detail: str
    remedy: str = ""
    exit: Exit = Exit.FAILED

    def refuse(self, more: str = "") -> None:
        """SpotboxError where the check fails; `more` is what the user may do instead."""
        if self.status is Status.FAIL:
            raise SpotboxError(self.detail, f"Mend it with: {self.remedy}{more}", self.exit)


GRAVITY = (Exit.DENIED, Exit.QUOTA, Exit.FAILED)  # without credentials the rest is guesswork; a quota takes AWS days


def exit_code(checks: Iterable[Check]) -> Exit:
    """Of the kinds that fail the gravest: credentials and permission (5), quota (4), anything else (1); 0 for none."""
    kinds = {check.exit for check in checks if check.status is Status.FAIL}
    return next((code for code in GRAVITY if code in kinds), Exit.FAILED if kinds else Exit.DONE)


def ok(check: str, detail: str) -> Check:
    """A row that is in order."""
    return Check(check, Status.OK, detail)


def warn(check: str, detail: str, remedy: str = "") -> Check:
    """A row that stops nothing, or cannot be known."""
    return Check(check, Status.WARN, detail, remedy)


def fail(check: str, detail: str, remedy: str, exit: Exit = Exit.FAILED) -> Check:
    """A row that stops `up`."""
    return Check(check, Status.FAIL, detail, remedy, exit)


def not_known(check: str, error: SpotboxError, with_: Remedies) -> Check:
    """A row that AWS did not let us look at, or that could not be asked; that fails where AWS refuses the account or
    its keys as a whole: no policy mends that, and `up` would be refused as well."""
    if error.exit_code is Exit.DENIED and refusal(error.code or "") not in (None, DENIED):
        return fail(check, f"{error.message}; {error.hint}", with_.aws("sts", "get-caller-identity"), Exit.DENIED)
    remedy = with_.allow() if error.exit_code is Exit.DENIED else with_.spotbox("doctor", "-r", with_.region)
    return warn(check, f"not known: {error.message}", remedy)
