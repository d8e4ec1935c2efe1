"""Keeping the sandbox's state over a stop: the world and moto's backends in one pickle."""

import logging
from pathlib import Path

from spotbox.sandbox.world import World

log = logging.getLogger("spotbox.sandbox")


class Store:
    def __init__(self, home: Path, world: World):
        self.path = home / "state.pickle"
        self.world = world

    def load(self) -> None: ...
    def save(self) -> None: ...
    def changed(self) -> bool:
        return False
