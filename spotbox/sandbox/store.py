"""Keeping the sandbox over a stop: what lives in the world, and moto's backends, in one pickle of the user's own.

A file that is damaged, or of another release of moto or of this module, is put aside: the sandbox starts empty.
"""

import io
import logging
import os
import pickle
from pathlib import Path
from typing import Any

import moto
from moto.backends import get_backend

from spotbox.sandbox.bodies import MotoBodies
from spotbox.sandbox.world import ACCOUNT, World

log = logging.getLogger("spotbox.sandbox")
STAMP = ("spotbox sandbox state", 2, moto.__version__)
SERVICES = ("ec2", "iam", "s3", "sts")
MARKET = ("closed", "set_prices", "set_on_demand", "score_questions", "limits", "doomed")


class Store:
    """The state file of one sandbox. Its methods expect the world's lock held."""

    def __init__(self, home: Path, world: World, bodies: MotoBodies):
        self.path = home / "state.pickle"
        self.world = world
        self.bodies = bodies
        self._saved = 0

    def changed(self) -> bool:
        """Whether anything was done since the last save."""
        return self.world.changes != self._saved

    def save(self) -> None:
        """Write the state, whole or not at all. What cannot be written is told in the log, and not kept."""
        self._saved = self.world.changes
        world = self.world
        state: dict[str, Any] = {
            "stamp": STAMP,
            "boxes": world.life.boxes,
            "requests": world.spot.requests,
            "timeline": world.timeline,
            "market": {name: getattr(world.market, name) for name in MARKET},
            "tokens": world.tokens,
            "identity": world.identity,
            "training": world.training.state() if world.training else None,
            "trail": world.trail.events,
            "bills": world.bills,
            "moto": {name: dict(get_backend(name)[ACCOUNT]) for name in SERVICES},
        }
        out = io.BytesIO()
        try:
            pickle.dump(state, out, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # any object of moto's may refuse; the sandbox goes on without its memory
            log.warning("the state cannot be kept: %s: %s", type(error).__name__, error)
            return
        new = self.path.with_name(f"{self.path.name}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(out.getbuffer())
        os.replace(new, self.path)

    def load(self) -> None:
        """Take up the state of the last time, if there is one that can be read; time has passed since."""
        try:
            with self.path.open("rb") as file:
                state = pickle.load(file)  # noqa: S301 - written by save() into the user's own folder, mode 0600
            if state["stamp"] != STAMP:
                raise ValueError(f"it is of another release: {state['stamp']}")
            self._take_up(state)
        except FileNotFoundError:
            return
        except Exception as error:  # whatever is wrong with it, an empty sandbox is better than none
            log.warning("starting empty, the kept state cannot be used: %s: %s", type(error).__name__, error)
            self.path.replace(self.path.with_name("state.unusable"))

    def _take_up(self, state: dict[str, Any]) -> None:
        world = self.world
        for name, backends in state["moto"].items():
            account = get_backend(name)[ACCOUNT]
            for region, backend in backends.items():
                account[region] = backend
        world.timeline.__setstate__(state["timeline"].__getstate__() | {"now": world.timeline.clock()})
        world.life.boxes.update(state["boxes"])
        world.spot.requests.update(state["requests"])
        world.tokens.update(state["tokens"])
        world.identity = state["identity"]
        world.trail.events = state.get("trail", [])
        world.bills = state.get("bills", world.bills)
        for name, value in state["market"].items():
            setattr(world.market, name, value)
        if world.training and state.get("training"):  # a state of before there were jobs has none
            world.training.take_up(state["training"], state["timeline"].now)
        world.advance()
        for box in world.life.boxes.values():
            if box.state == "running" and box.booted:
                self.bodies.reopened(box)
