"""Follow a training job: its statuses and log as they come, until it is over. It goes on whatever becomes of us."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from spotbox.app import App
from spotbox.commands._train_words import STATUS_HANG, elapsed, log_line, most, status_line
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.jobs import LogLine, TrainingJob, Transition
from spotbox.core.text import safe
from spotbox.core.units import show_usd

TICK = 1.0  # seconds between two redraws of the live line
PACES = ((300, 2.0), (3600, 5.0), (float("inf"), 10.0))  # so many seconds into it, so many seconds between two looks
LONGEST = 30.0  # between two looks while AWS does not answer
LATE = 3.0  # seconds that CloudWatch may take to show the last lines; an estimate
_FINAL = (Exit.USAGE, Exit.DENIED)  # refusals that another look will meet again
GONE = 3  # times that AWS must not know the job before that is believed: it has just shown it
_QUIET = ("Starting", "Pending")  # while it has been in these alone there is no log


class Follower:
    """One job being followed; `data` says whether its log goes to stdout, else to stderr."""

    def __init__(self, app: App, job: TrainingJob, price: Decimal | None, data: bool):
        self._app, self._data = app, data
        self.job, self.price = job, price
        self._told: dict[tuple[str, datetime], str] = {}  # status and start of a transition -> its message as told
        self._seen: Any = None  # how far the log has been read
        self._logs = True  # whether we may read it
        self._behind = ""  # why the last look at the log failed
        self._failures = 0
        self._began = app.system.monotonic()

    def until_over(self) -> TrainingJob:
        """Look again and again until nothing of it changes any more. SpotboxError where AWS refuses us for good."""
        self._tell(self._log())
        while not self.job.over:
            self._pass(self._pause())
            if self._look():
                self._tell(self._log())
        self._rest_of_log()
        self._app.progress.done()
        return self.job

    def _pause(self) -> float:
        passed = self._app.system.monotonic() - self._began
        pace: float = next(pause for until, pause in PACES if passed < until)
        return min(LONGEST, pace * (1 << min(self._failures, 5)))

    def _pass(self, seconds: float) -> None:
        """Let time pass, with the live line drawn anew."""
        while seconds > 0:
            now = self._app.system.now()
            self._app.progress.glance(elapsed(self.job, now, self.price))
            self._app.system.sleep(min(TICK, seconds))
            seconds -= TICK

    def _look(self) -> bool:
        """Whether AWS told how the job stands. What may pass is waited out: the job needs nobody to watch it."""
        try:
            self.job = self._app.cloud.job(self.job.region, self.job.name)
        except SpotboxError as error:
            gone = error.exit_code == Exit.NO_SUCH_BOX and self._failures >= GONE
            if gone or error.exit_code in _FINAL:
                raise
            if not self._failures:
                self._app.remark(f"AWS does not answer ({error.message}); the job goes on, and so does the looking")
            self._failures += 1
            return False
        if self._failures:
            self._app.remark("AWS answers again")
        self._failures = 0
        return True

    def _log(self) -> tuple[LogLine, ...]:
        """The lines that are new; a log that we may not read is told once, and then left."""
        early = not self.job.over and all(one.status in _QUIET for one in self.job.transitions)
        if early or not self._logs:
            return ()
        try:
            lines, self._seen = self._app.cloud.job_log(self.job.region, self.job.name, self._seen)
            self._behind = ""
        except SpotboxError as error:
            self._behind = error.message
            if error.exit_code in _FINAL:
                self._logs = False
                self._app.remark(f"the log cannot be read: {error.message}. {error.hint}".rstrip(". ") + ".")
            return ()
        return tuple(lines)

    def _rest_of_log(self) -> None:
        """What is still to come of the log: all pages of it, and what CloudWatch shows a moment late."""
        for late in (False, True):
            while lines := self._log():
                self._tell(lines)
            if not late and self._logs:
                self._app.system.sleep(min(LATE, self._app.settle))
        if self._behind and self._logs:
            whole = f"spotbox train status {self.job.name} --follow"
            self._app.remark(f"the end of the log is missing ({self._behind}); all of it: {whole}")

    def _tell(self, lines: tuple[LogLine, ...]) -> None:
        """Statuses that are new, or say something new, and lines of the log, in the order of their times."""
        news: list[tuple[Any, Callable[[], None]]] = []
        for one in self.job.transitions:
            if self._told.get((one.status, one.start)) != one.message:
                self._told[one.status, one.start] = one.message
                news.append((one.start, lambda one=one: self._status(one)))  # type: ignore[misc]
        news += [(line.at, lambda line=line: self._line(line)) for line in lines]  # type: ignore[misc]
        for _, say in sorted(news, key=lambda item: item[0]):
            say()

    def _status(self, one: Transition) -> None:
        self._app.progress.say(status_line(one), STATUS_HANG)

    def _line(self, line: LogLine) -> None:
        text = log_line(line, self.job.count > 1)
        if self._data:
            self._app.progress.clear()
            click.echo(text)
        else:
            self._app.progress.say(text)


@contextmanager
def detaching(app: App, name: str, follower: Follower | None = None) -> Iterator[None]:
    """Ctrl-C, a reader that has gone, a disk without room for the log, or AWS that refuses us: the job goes on, and the
    last lines say so. Exit 130, or the refusal's own."""
    try:
        yield
    except KeyboardInterrupt:
        app.progress.done()
        raise SpotboxError(f"detached; {goes_on(name, follower)}", how(name), Exit.INTERRUPTED) from None
    except BrokenPipeError:
        app.progress.done()
        app.remark(f"nobody reads the log any more; {goes_on(name, follower)}. {how(name)}")
        raise
    except OSError as error:  # of where the log goes: AWS's errors are none
        app.progress.done()
        raise SpotboxError(f"{safe(error.strerror or error)}; {goes_on(name, follower)}", how(name)) from error
    except SpotboxError as error:
        app.progress.done()
        hint = f"{error.hint} {how(name)}".strip()
        why = f"{error.message}; {goes_on(name, follower)}"
        raise SpotboxError(why, hint, error.exit_code, error.code) from error


def goes_on(name: str, follower: Follower | None) -> str:
    """That the job goes on, and what it bills."""
    if follower is None:
        return f"{name} goes on"
    job, price = follower.job, follower.price
    bills = "the seconds it runs are billed"
    if price is not None:
        bills = f"what it runs bills at most {show_usd(price * job.count)}/h"
        if job.max_run:
            bills += f", {most(job, job.max_run, price)} in all"
    return f"{name} goes on ({job.secondary}); {bills}"


def how(name: str) -> str:
    """How to follow it, and how to stop it."""
    return f"Follow it: spotbox train status {name} --follow; stop it: spotbox train stop {name}"
