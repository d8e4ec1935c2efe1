"""A program for a terminal: `status ARGS` over a World in which something happens once the file `go` is in its home.

The box dev stops; with --broken a bug shows, with --silent AWS answers no more.

Time is real, so that the screen, its keys and its signals can be tested as a user meets them.
"""

import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from spotbox.cli import run
from tests.commands.fakes import FakeApp, FakeSystem
from tests.commands.world import NOON, World


class RealTime(FakeSystem):
    """The world's clock runs by itself."""

    def now(self):
        return NOON + timedelta(seconds=time.monotonic() - BEGAN)

    def monotonic(self):
        return time.monotonic()

    def sleep(self, seconds):
        time.sleep(seconds)


def stops(world):
    """The user stops the box elsewhere."""
    reason = "Client.UserInitiatedShutdown"
    world.instances["i-1"] = replace(world.instances["i-1"], state="stopped", public_ip=None, reason_code=reason)
    world.request_of("i-1", state="disabled", code="instance-stopped-by-user")


def once_told(home, happens):
    """Let it happen when the test says so."""

    def wait():
        while not Path(home, "go").exists():
            time.sleep(0.05)
        happens()

    threading.Thread(target=wait, daemon=True).start()


BEGAN = time.monotonic()
if __name__ == "__main__":
    home, boxes, *words = sys.argv[1:]
    account = World()
    account.has_box("dev")
    for number in range(int(boxes) - 1):
        account.has_box(f"box{number}")
    app = FakeApp(account, None, {"SPOTBOX_HOME": home})
    app.system = RealTime(account)
    if "--broken" in words:
        words.remove("--broken")
        once_told(home, lambda: setattr(app.cloud, "observe", None))
    elif "--silent" in words:
        words.remove("--silent")
        once_told(home, lambda: setattr(app.cloud, "observe", lambda *asked: time.sleep(60)))
    else:
        once_told(home, lambda: stops(account))
    sys.exit(run(["status", *words], obj=app))
