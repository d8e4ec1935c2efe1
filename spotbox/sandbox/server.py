"""The sandbox's process: `python -m spotbox.sandbox.server HOME LOCK`. It serves until told to stop, or idle."""

import json
import logging
import logging.handlers
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spotbox.sandbox import market, pace
from spotbox.sandbox.lock import hold
from spotbox.sandbox.process import PROTOCOL, write_private

log = logging.getLogger("spotbox.sandbox")
IDLE = 3600.0  # seconds without a request or a connection, then the process ends
LOG_LIMIT = 2_000_000  # bytes of a log file; one older is kept

# What moto reads from the environment, set before it is imported.
MOTO = {
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    "MOTO_DISABLE_GLOBAL_CORS": "true",
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "false",
    "AWS_ACCESS_KEY_ID": "sandbox",
    "AWS_SECRET_ACCESS_KEY": "sandbox",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Server:
    """One sandbox: its world, its HTTP port, its boxes, and the thread that lets time pass."""

    def __init__(self, home: Path):
        self.home = home
        self.nonce = secrets.token_hex(16)
        self.used_at = time.monotonic()
        self.ending = threading.Event()
        self.idle = float(os.environ.get("SPOTBOX_SANDBOX_IDLE") or IDLE)
        self.boxes, spec = self._computers()
        self.world, self.bodies, self.store, self.gate = self._assemble(spec)
        self.http = self._bind()

    def _computers(self) -> tuple[Any, Any]:
        from spotbox.sandbox.boxes import BoxServers, BoxSpec

        servers = BoxServers(
            self.home,
            admitted=self._admitted,
            pushed_keys=lambda box, user: self.world.pushed_keys(box, user),
            on_shutdown=self._shut_down,
            on_activity=self.use,
            outside=self._outside,
        )
        return servers, BoxSpec

    def _assemble(self, spec: Any) -> Any:
        from spotbox.sandbox import lean

        lean.load_moto()
        from moto.backends import get_backend
        from moto.ec2.models import EC2Backend
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        from spotbox.sandbox import ec2
        from spotbox.sandbox.bodies import MotoBodies
        from spotbox.sandbox.control import Control
        from spotbox.sandbox.disks import Disks
        from spotbox.sandbox.ebs import Ebs
        from spotbox.sandbox.ec2_catalog import offered
        from spotbox.sandbox.gate import Gate
        from spotbox.sandbox.regions import ENABLED
        from spotbox.sandbox.store import Store
        from spotbox.sandbox.training import Training
        from spotbox.sandbox.world import ACCOUNT, World

        backends = get_backend("ec2")
        bodies = MotoBodies(lambda region: backends[ACCOUNT][region], self.boxes, spec)
        world = World(pace.from_environment(), bodies, offered, seed=market.seed_from_environment())
        bodies.ebs = world.ebs = Ebs(
            world.timeline, world.pace, lambda region: backends[ACCOUNT][region], Disks(self.home)
        )
        world.training = Training(world, self.home, lambda: self.url)
        ec2.install(world)
        control = Control(
            world,
            bodies.tags,
            lambda region: [zone.name for zone in EC2Backend.zones.get(region, [])],
            lambda: {name: backends[ACCOUNT][name] for name in ENABLED},
        )
        moto = DomainDispatcherApplication(create_backend_app)
        return world, bodies, Store(self.home, world, bodies), Gate(world, control, moto, self.nonce, self.use)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def _bind(self) -> Any:
        """The port of last time where it is free, so that an environment exported then goes on to work."""
        from moto.moto_server.werkzeug_app import MotoRequestHandler
        from werkzeug.serving import make_server

        class Handler(MotoRequestHandler):
            def log_request(self, *args: Any) -> None:
                """Requests are not logged: they carry what users tag and send."""

            def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
                """A reply that is not to be sent: the caller sees the connection close."""
                self.close_connection = True

            def log(self, type: str, message: str, *args: Any) -> None:
                log.info(message, *args)

        try:
            last = int((self.home / "port").read_text())
        except (OSError, ValueError):
            last = 0
        for port in (last, 0) if 1024 <= last < 65536 else (0,):
            try:
                return make_server("127.0.0.1", port, self.gate, threaded=True, request_handler=Handler)
            except (OSError, SystemExit):
                continue
        raise OSError("no port on 127.0.0.1")

    # What boxes ask. They ask from the thread that serves them, and a call that holds the world's lock may at that
    # moment wait for that thread to open or close a box: so nothing here waits for the lock.

    def use(self) -> None:
        """Someone uses the sandbox now."""
        self.used_at = time.monotonic()

    def _admitted(self, box_id: str, peer: str) -> bool:
        box = self.world.life.boxes.get(box_id)
        return box is not None and self.bodies.admitted(box, peer)

    def _outside(self) -> Any:
        from spotbox.sandbox.boxguard import Outside

        return Outside(self._facts, self.world.pace.notice / 120)

    def _facts(self, box_id: str) -> Any:
        box = self.world.life.boxes.get(box_id)
        if box is None:
            return None
        request = self.world.spot.of(box)
        action = request.behavior if request else "terminate"
        return self.bodies.facts(box, action, self.url)

    def _shut_down(self, box_id: str) -> None:
        threading.Thread(target=self._shut_down_now, args=(box_id,), name="shutdown", daemon=True).start()

    def _shut_down_now(self, box_id: str) -> None:
        with self.world.lock:
            self.world.advance()
            box = self.world.life.boxes.get(box_id)
            if box:
                self.world.spot.shutdown_inside(box)
                self.world.changes += 1

    # Running

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until the end; `ready` is called when it answers and can be found."""
        self.boxes.start()
        with self.world.lock:
            self.store.load()
            self.world.training.resume()
        port = self.http.server_address[1]
        write_private(self.home / "port", str(port))
        threading.Thread(target=self._tick, name="tick", daemon=True).start()
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()
        serving = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        serving.start()
        state = {"protocol": PROTOCOL, "url": self.url, "pid": os.getpid(), "nonce": self.nonce}
        write_private(self.home / "state.json", json.dumps(state))
        ready()
        log.info("ready on port %d", port)
        self.ending.wait()
        self.http.shutdown()
        self.world.training.close()
        with self.world.lock:
            self.store.save()
        self.boxes.stop()
        self._withdraw()
        log.info("ended")

    def _withdraw(self) -> None:
        """Take the state file away, if it is still this process's."""
        path = self.home / "state.json"
        try:
            if json.loads(path.read_text()).get("nonce") == self.nonce:
                path.unlink()
        except (OSError, ValueError):
            pass

    def _tick(self) -> None:
        """Let time pass while nobody calls; save what changed; end when nobody has called for long."""
        saved = time.monotonic()
        while not self.ending.wait(0.2):
            try:
                with self.world.lock:
                    self.world.advance()
                    if time.monotonic() - saved > 2 and self.store.changed():
                        self.store.save()
                        saved = time.monotonic()
            except Exception:
                log.exception("the clock stumbled")
            if self.boxes.connections() or self.world.training.busy:
                self.use()
            if time.monotonic() - self.used_at > self.idle:
                log.info("idle for %g s", self.idle)
                self.ending.set()

    def _warm_up(self) -> None:
        """Load what the first call would otherwise wait for."""
        from moto.core.utils import get_service_model

        get_service_model("ec2")


def main(argv: list[str]) -> int:
    """Run a sandbox in the folder named on the command line, under the lock whose descriptor follows it."""
    home, ready = Path(argv[0]), hold(int(argv[1]))
    os.environ.update(MOTO)
    handler = logging.handlers.RotatingFileHandler(home / "log", maxBytes=LOG_LIMIT, backupCount=1)
    logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(asctime)s %(levelname)s %(message)s")
    for name in ("werkzeug", "asyncssh"):  # what users send and type stays out of the log
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        server = Server(home)
        signal.signal(signal.SIGTERM, lambda *_: server.ending.set())
        server.run(ready)
    except Exception as error:
        log.exception("the sandbox ended")
        log.error("%s: %s", type(error).__name__, " ".join(str(error).split()))
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    logging.shutdown()
    os._exit(code)  # all is saved and closed: taking moto apart piece by piece would only keep the caller waiting
