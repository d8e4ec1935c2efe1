"""A program for a terminal: `status ARGS` over a World in which the box dev stops after a second and then goes.

Time is real, so that the screen, its keys and its signals can be tested as a user meets them.
"""

import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta

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
        threading.Timer(1, lambda: setattr(app.cloud, "observe", None)).start()
    elif "--silent" in words:
        words.remove("--silent")
        threading.Timer(1, lambda: setattr(app.cloud, "observe", lambda *asked: time.sleep(60))).start()
    else:
        threading.Timer(1, stops, [account]).start()
    sys.exit(run(["status", *words], obj=app))
