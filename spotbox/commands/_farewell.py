"""What a box cost that `down` has removed: told once, and kept in the ledger, for AWS soon forgets it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from spotbox.app import App
from spotbox.commands._cost import Costs, Parts, costs_of, parts_of
from spotbox.commands._ledger import bury, remember, seen
from spotbox.core.boxes import Belongings, Box, Sight, gather
from spotbox.core.cost import Cost, Life
from spotbox.core.cost_ledger import saw_end
from spotbox.core.cost_life import marks_of, present, second, transition_time
from spotbox.core.cost_past import Mark
from spotbox.core.cost_report import remarks, sentences, summary
from spotbox.core.errors import SpotboxError
from spotbox.core.moved import made_of
from spotbox.core.records import Instance
from spotbox.core.states import State

Whose = tuple[str, str]  # owner, name


@dataclass(frozen=True)
class Eve:
    """The boxes as they were seen before the first of them was removed, and when that was."""

    at: datetime
    sights: Sequence[Sight]
    owner: str
    names: Collection[str] | None

    def boxes(self) -> dict[Whose, list[tuple[str, Belongings]]]:
        """The parts of the boxes that are to go, by region."""
        found: dict[Whose, list[tuple[str, Belongings]]] = {}
        for sight in self.sights:
            for whose, parts in gather(sight).items():
                mine = whose[0] == self.owner and (self.names is None or whose[1] in self.names)
                instances, requests = present(parts.instances, parts.requests)
                there = replace(parts, instances=list(instances), requests=list(requests))
                if mine and (there.instances or there.volumes):
                    found.setdefault(whose, []).append((sight.region, there))
        return found


def farewell(app: App, eve: Eve, after: Sequence[Sight], held: Collection[str]) -> list[tuple[Life, Cost]]:
    """What each box cost that went; `held` are the ids of what is kept, or could not be removed.

    A box of which nothing is held is kept in the ledger. The boxes are gone, so that nothing here is a reason to fail,
    or to leave untold what was removed: no refusal, no defect, no Ctrl-C. It is said.
    """
    try:
        found = _told(app, eve, after, held)
        sentences(found), summary(found), remarks(found)  # what will be said can be
        return found
    except SpotboxError as error:
        why = error.message
    except KeyboardInterrupt:
        why = "interrupted"
    except Exception as error:
        why = f"a bug in spotbox, {type(error).__name__}"
        app.debug(f"{type(error).__name__}: {error}")
    app.progress.done()
    app.remark(f"what it cost is not known: {why}")
    return []


def _told(app: App, eve: Eve, after: Sequence[Sight], held: Collection[str]) -> list[tuple[Life, Cost]]:
    last = {i.id: i for sight in after for i in sight.instances}
    boxes = eve.boxes()
    dead = {whose: _parts(app, eve, whose, there, last) for whose, there in boxes.items()}
    costs = costs_of(app, list(dead.values()))
    for whose, there in boxes.items():
        ids = {part.id for _, parts in there for part in parts.requests}
        ids |= {i.id for _, parts in there for i in parts.instances} | {v.id for _, p in there for v in p.volumes}
        if not ids & set(held):
            _bury(app, whose, costs, {past.id for past in dead[whose].pasts})
    for text in costs.remarks:
        app.remark(text)
    return list(costs.found)


def _bury(app: App, whose: Whose, costs: Costs, instances: Collection[str]) -> None:
    for life, cost in costs.found:
        if life.name == whose[1]:
            try:
                bury(app, life, cost, whose[0], instances)
            except Exception as error:  # the ledger is only a help: what was worked out is told without it
                app.debug(f"not kept in the ledger: {type(error).__name__}: {error}")


def _parts(
    app: App, eve: Eve, whose: Whose, there: Sequence[tuple[str, Belongings]], last: Mapping[str, Instance]
) -> Parts:
    """The parts of one box with their end: of the instance as AWS shows it now, else now."""
    now = second(app.system.now())
    requests = [request for _, parts in there for request in parts.requests]
    volumes = [volume for _, parts in there for volume in parts.volumes]
    instances: list[Instance] = []
    more: dict[str, tuple[Mark, ...]] = {}
    for region, parts in there:
        for instance in parts.instances:
            request = next((r for r in requests if r.id == instance.request_id), None)
            gone = last.get(instance.id) or replace(instance, state="terminated", transition="")
            if gone.state == "terminated" and not transition_time(gone.transition):  # AWS does not say when: now
                gone = replace(gone, transition=f"({now:%Y-%m-%d %H:%M:%S} GMT)")
            instances.append(gone)
            more[instance.id] = marks_of(instance, request, volumes, second(eve.at))
        _remember(app, whose, region, parts, [i for i in instances if i.region == region])
    return parts_of(app, whose, requests, instances, volumes, more, _left_behind(app, there))


def _left_behind(app: App, there: Sequence[tuple[str, Belongings]]) -> set[str]:
    """The instance of which a move that is under way has made the box, where it may stand in a region that was not
    looked at: its hours are its own, and end with it."""
    tags = [request.tags for _, parts in there for request in parts.requests]
    tags += [instance.tags for _, parts in there for instance in parts.instances]
    ledger = seen(app)
    made_of_it = {made_of(each) for each in tags} - {i.id for _, parts in there for i in parts.instances} - {""}
    return {id_ for id_ in made_of_it if not saw_end(ledger, id_)}


def _remember(app: App, whose: Whose, region: str, parts: Belongings, instances: Sequence[Instance]) -> None:
    """Keep when its instances ended: a data volume that is kept may see other instances."""
    request = parts.requests[0] if parts.requests else None
    box = Box(whose[1], whose[0], region, State.TERMINATING, "", request, None, tuple(parts.requests),
              tuple(instances), tuple(parts.volumes))  # fmt: skip
    remember(app, [box])
