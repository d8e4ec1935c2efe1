"""status --watch: look at AWS again and again, and show what there is until the user leaves."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from spotbox.app import App
from spotbox.commands._connect import command_line
from spotbox.commands._find import gpus, with_prices
from spotbox.commands._table import left_out
from spotbox.commands.status import columns, in_full
from spotbox.commands.status import row as row_of
from spotbox.core.boxes import Box, assemble
from spotbox.core.prices import savings_pct
from spotbox.core.report import box_record
from spotbox.core.text import plural, safe
from spotbox.core.watching import Row, follow
from spotbox.output import fitted, screen, to_json_line
from spotbox.screen import Line, Screen
from spotbox.width import hung

# Seconds between looks at the regions with boxes (within 2 s with what goes on between), at all regions, at prices.
BEAT, WIDE_BEAT, PRICE_BEAT = 1.7, 30.0, 60.0
LEAST = 0.2  # seconds of rest between two looks, however slow AWS is
SILENT = 10.0  # seconds without an answer of AWS that are worth a word
KEY_WAIT = 0.25  # seconds: how late a look that has come back is shown

Pool = tuple[str, str | None, str | None]
Render = Callable[[list[Row]], list[Line]]


class Watch:
    """What is seen over time. `look` asks AWS for what is due; the rest only tells what was seen."""

    def __init__(self, app: App, regions: Sequence[str], owner: str | None, name: str | None):
        self._app, self._regions, self._owner, self._name = app, regions, owner, name
        self._wide_at = self._price_at = app.system.monotonic()
        self._prices: dict[Pool, tuple[Decimal | None, Decimal | None]] = {}
        self._remarks: list[str] = []
        self._failed: dict[str, str] = {}
        self._begun = False
        self.gpus: dict[str, str] = {}
        self.rows: list[Row] = []
        self.looked: datetime | None = None
        self.asking: datetime | None = None  # since when AWS is being asked

    @property
    def everyone(self) -> bool:
        """Whether the boxes are not one owner's alone."""
        return self._owner is None

    @property
    def trouble(self) -> list[str]:
        """What could not be asked, one line each."""
        where = [f"could not look in {region}: {why}" for region, why in sorted(self._failed.items())]
        return [safe(line) for line in (*where, *self._remarks)]

    def look(self) -> None:
        """One look. SpotboxError only where the very first one fails everywhere; later that is told and tried again."""
        now = self._app.system.monotonic()
        regions = sorted({row.box.region for row in self.rows})
        if now >= self._wide_at:
            self._wide_at, regions = now + WIDE_BEAT, list(self._regions)
        if not regions:
            return
        self.asking = self._app.system.now()
        try:
            self._ask(regions, now)
        finally:
            self.asking = None

    def _ask(self, regions: Sequence[str], now: float) -> None:
        seen = self._app.cloud.observe(regions, self._owner, self._name, False)
        if seen.failed and not seen.sights and not self._begun:
            raise next(iter(seen.failed.values()))
        self._failed = {region: why for region, why in self._failed.items() if region not in regions}
        self._failed |= {region: error.message for region, error in seen.failed.items()}
        boxes = [box for sight in seen.sights for box in assemble(sight)]
        asked = set(regions) - set(seen.failed)
        rows = follow(self.rows, boxes, asked, self._app.system.now(), not self._begun)
        self._price(rows, now)
        self.rows = [replace(row, box=self._with_price(row.box)) for row in rows]
        self._begun = True
        if asked:
            self.looked = self._app.system.now()

    def _price(self, rows: list[Row], now: float) -> None:
        """Prices once a minute, and at once for a pool that is new."""
        boxes = [row.box for row in rows if not row.gone and row.box.instance_type]
        if now < self._price_at and all(_pool(box) in self._prices for box in boxes):
            return
        self._price_at = now + PRICE_BEAT
        found, self._remarks = with_prices(self._app, boxes)
        self._prices |= {_pool(box): (box.spot, box.on_demand) for box in found}
        if new := [box for box in boxes if box.instance_type not in self.gpus]:
            self.gpus |= {str(box.instance_type): "" for box in new} | gpus(self._app, new)

    def _with_price(self, box: Box) -> Box:
        spot, on_demand = self._prices.get(_pool(box), (None, None))
        return replace(box, spot=spot, on_demand=on_demand)


def _pool(box: Box) -> Pool:
    return box.region, box.instance_type, box.zone


@dataclass
class Job:
    """Something that goes on in a thread: AWS may be slow, and the keys and the window must not wait for it."""

    do: Callable[[], None]
    error: BaseException | None = None

    def start(self) -> "Job":
        """Begin; gives itself."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="spotbox-watch")
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            self.do()
        except BaseException as error:
            self.error = error

    def within(self, seconds: float) -> bool:
        """Whether it is done by then; as `over`."""
        self._thread.join(seconds)
        return self.over()

    def over(self) -> bool:
        """Whether it is done; what it raised is raised here."""
        if self._thread.is_alive():
            return False
        if self.error:
            raise self.error
        return True


def stay(app: App, watch: Watch, one: str | None, output: str) -> None:
    """Show what `watch` sees until the user leaves; `one` is the name of the only box, then shown in full."""

    def records(rows: list[Row]) -> list[dict[str, Any]]:
        return [_record(app, watch, row.box) for row in rows]

    def render(rows: list[Row]) -> list[Line]:
        return _in_full(app, watch, rows) if one else _table(app, watch, rows)

    def json_line(rows: list[Row]) -> None:
        there = records([row for row in rows if not row.gone])
        click.echo(to_json_line((there[0] if there else None) if one else there))

    def block(rows: list[Row]) -> None:
        now = app.system.now().astimezone().isoformat(sep=" ", timespec="seconds")
        app.echo("\n".join([now, *(text for text, _ in render(rows)), ""]))

    if output == "json":
        in_blocks(app, watch, json_line)
    elif Screen.possible():
        on_screen(app, watch, render)
    else:
        in_blocks(app, watch, block)


def _record(app: App, watch: Watch, box: Box, full: bool = True) -> dict[str, Any]:
    saved = savings_pct(box.on_demand, box.spot)
    gpu = watch.gpus.get(box.instance_type or "") or None
    return box_record(box, gpu, saved, command_line(app, box) if full else None)


def _table(app: App, watch: Watch, rows: list[Row]) -> list[Line]:
    """The table of `status`, with the time at which a state was seen to begin; what just changed stands out."""
    if not rows:
        return [("no boxes", False)]
    told = [_record(app, watch, row.box, full=False) | {"state": said_state(row)} for row in rows]
    width, now = screen(), app.system.now()
    table = fitted([row_of(each, watch.everyone) for each in told], columns(watch.everyone), width)
    shown = [(line, row.bright(now)) for lines, row in zip(table.rows, rows, strict=True) for line in lines]
    remark = left_out(width, table.gone) if table.gone else ""
    gone = [("", False), *((line, False) for line in hung(remark, width, 2).split("\n"))] if remark else []
    return [*((line, False) for line in table.head), *shown, *gone]


def _in_full(app: App, watch: Watch, rows: list[Row]) -> list[Line]:
    """One box as `status NAME` shows it."""
    now, lines = app.system.now(), list[Line]()
    for row in rows:
        if row.gone:
            lines.append((f"{safe(row.box.name)} is {said_state(row)}", row.bright(now)))
            continue
        record, bright = _record(app, watch, row.box) | {"state": said_state(row)}, row.bright(now)
        told = in_full(app, row.box, record).split("\n")
        lines += [(line, bright and line.startswith(("state", "what"))) for line in told]
    return lines or [("no such box any more", False)]


def on_screen(app: App, watch: Watch, render: Render) -> None:
    """The screen, until q. KeyboardInterrupt (Ctrl-C, SIGTERM, a closed terminal) ends it too."""
    job: Job | None = None
    due = app.system.monotonic() + BEAT
    with Screen() as window:
        while True:
            if job and job.over():
                job = None
            if job is None and app.system.monotonic() >= due:
                due, job = app.system.monotonic() + BEAT, Job(watch.look).start()
            window.draw(frame(watch, render, app.system.now(), window.size.lines))
            if "q" in window.wait(KEY_WAIT).lower():
                return


def in_blocks(app: App, watch: Watch, say: Callable[[list[Row]], None]) -> None:
    """Without a terminal: `say` once for each change, until the process is ended."""
    told: object = None
    trouble: list[str] = []
    due = app.system.monotonic()
    while True:
        now = [(row.since, row.changed, row.gone, row.box.name) for row in watch.rows]
        if now != told:
            told = now
            say(watch.rows)
        if watch.trouble != trouble:
            trouble = watch.trouble
            for line in trouble:
                app.remark(line)
        due = max(due + BEAT, app.system.monotonic() + LEAST)
        app.system.sleep(due - app.system.monotonic())
        watch.look()


def frame(watch: Watch, render: Render, now: datetime, height: int) -> list[Line]:
    """The lines of one screen: what was seen, cut to the height with the number of what is not shown."""
    asking = watch.asking
    late = "" if asking is None or (now - asking).total_seconds() < SILENT else "   AWS does not answer"
    head: list[Line] = [(f"spotbox status   last look {clock(watch.looked)}{late}   q leaves", bool(late)), ("", False)]
    foot: list[Line] = [(line, False) for line in ([""] if watch.trouble else []) + watch.trouble]
    body = render(watch.rows)
    room = max(1, height - len(head) - len(foot))
    if len(body) > room:
        hidden = len(body) - room + 1
        body = [*body[: room - 1], (f"... and {plural(hidden, 'line')} more: make the window taller", False)]
    return head + body + foot


def clock(when: datetime | None) -> str:
    """A time of today as the user's own clock shows it."""
    return when.astimezone().strftime("%H:%M:%S") if when else "never"


def said_state(row: Row) -> str:
    """`running`, or `running since 12:04:31` where that was seen to begin."""
    return f"{row.state} since {clock(row.since)}" if row.since else row.state
