"""--ttl and --idle-stop of `up`: recorded on the box as tags, and told."""

from collections.abc import Callable

from spotbox.app import App
from spotbox.commands._find import again
from spotbox.commands._inputs import Asked
from spotbox.core.boxes import Box
from spotbox.core.errors import SpotboxError
from spotbox.core.limits import expires, expiry, limit_steps, limits_in_words
from spotbox.core.names import IDLE_TAG
from spotbox.core.states import State
from spotbox.core.units import exact_duration, show_usd


def wanted_limits(app: App, asked: Asked) -> dict[str, str]:
    """The limits on this command line, as `differences` takes them; empty text removes one. Time runs from now."""
    found = {}
    if asked.ttl is not None and "ttl" in asked.typed:
        found["expires"] = expiry(app.system.now(), asked.ttl)
    if asked.idle_stop is not None and "idle_stop" in asked.typed:
        found["idle_stop"] = exact_duration(asked.idle_stop) if asked.idle_stop else ""
    return found


def idle_tag(asked: Asked) -> dict[str, str]:
    """The idle limit as a tag of the launch call: it is the same in every run, so the ClientToken holds."""
    return {IDLE_TAG: exact_duration(asked.idle_stop)} if asked.idle_stop else {}


class NewLimits:
    """The limits of a box that is being made. No launch call may carry a time, so they come after AWS accepted."""

    def __init__(self, app: App, asked: Asked):
        self._app, self._asked = app, asked
        self._until: str | None = None  # the time runs from the moment AWS accepted

    @property
    def _wanted(self) -> bool:
        return bool(self._asked.ttl or self._asked.idle_stop)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What will be recorded, as a plan tells it; nothing where no limit was asked for."""
        asked = [
            (flag, value) for flag, value in (("ttl", self._asked.ttl), ("idle-stop", self._asked.idle_stop)) if value
        ]
        words = " and ".join(f"{flag} {exact_duration(value)}" for flag, value in asked)
        return (f"record its limits, {words}, as tags",) if words else ()

    def try_set(self, box: Box, tell: Callable[[str], None] | None = None) -> None:
        """At once, if AWS shows the box already: what is cut off now has its limit. Trouble is told to `tell`; without
        it, it is left to `set`."""
        if not self._wanted:
            return
        try:
            self._set(box if box.request or box.instance else again(self._app, box) or box)
        except SpotboxError as error:
            (tell or self._app.debug)(f"the limits could not be recorded yet: {error.message}")

    def set(self, box: Box) -> Box:
        """On whatever part has none yet. SpotboxError where AWS does not let them be recorded; the box stays."""
        if not self._wanted:
            return box
        try:
            return self._set(again(self._app, box) or box)
        except SpotboxError as error:
            stands = "waits with AWS" if box.state is State.WAITING else "is up and bills"
            why = f"{box.name} {stands}, but its limits could not be recorded: {error.message}"
            hint = f"{error.hint} Then set them with: spotbox up {box.name} --ttl 8h"
            raise SpotboxError(why, hint.strip(), error.exit_code, error.code) from error

    def _set(self, box: Box) -> Box:
        if self._asked.ttl and self._until is None:
            self._until = expiry(self._app.system.now(), self._asked.ttl)
        idle = exact_duration(self._asked.idle_stop) if self._asked.idle_stop else None
        steps = limit_steps(box, self._until, idle)  # the launch's own tags hold the idle limit, a found box's may not
        for step in steps:
            self._app.cloud.apply(step, self._app.progress.show)
        return (again(self._app, box) or box) if steps else box


def tell_expired(app: App, box: Box) -> None:
    """Say that the time which was set is over: `up` alone leaves the limit as it is."""
    until = expires(box.tags)
    if until is not None and until <= app.system.now():
        app.remark(
            f"the time limit of {box.name} has passed ({until.isoformat()}); set it anew with: "
            f"spotbox up {box.name} --ttl 8h, or remove it with --ttl 0"
        )


def tell_cost(app: App, box: Box) -> None:
    """What a forgotten box costs a day, or the limits that it has; once, at the end of `up`."""
    price = box.spot if box.market == "spot" else box.on_demand
    begins = "It bills until you stop or remove it"
    if box.state is State.WAITING:
        begins = "AWS launches it as soon as it can, also while this machine is off; it bills from then on"
    if limits := limits_in_words(box.tags):
        app.remark(f"{begins}, or it stops itself by its limits ({limits}).")
    elif price is not None:
        day = show_usd(price * 24, 2)
        app.remark(f"{begins}: forgotten, {day} a day, and disk and public IPv4 on top.")
    elif box.state is State.WAITING:
        app.remark(f"{begins}.")
