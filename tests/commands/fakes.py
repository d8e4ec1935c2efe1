"""An App of fakes over a World: the verbs of System and Prompts, without process, network or terminal."""

from pathlib import Path

from spotbox.app import App
from spotbox.core.boxes import Box, assemble
from spotbox.core.errors import SpotboxError
from spotbox.core.records import Request
from spotbox.core.states import LIVE
from spotbox.options import Common
from spotbox.progress import Progress
from spotbox.prompts import Prompts
from spotbox.system import Ran
from tests.commands.fakecloud import FakeCloud
from tests.commands.world import World, public_key


class FakeSystem:
    """The verbs of spotbox.system.System: a clock of the world's, no process, no network. `ran` is what ssh became."""

    def __init__(self, world: World):
        self.world = world
        self.ran: list[str] | None = None
        self.piped: tuple[str, int] | None = None
        self.ssh_code = 0
        self.programs = {"ssh", "ssh-keygen", "ssh-keyscan"}

    def now(self):
        return self.world.now()

    def monotonic(self):
        return self.world.clock

    def sleep(self, seconds):
        self.world.meets("Sleep")
        self.world.sleep(seconds)

    def find(self, program):
        return f"/usr/bin/{program}" if program in self.programs else None

    def need_ssh(self):
        if "ssh" not in self.programs:
            raise SpotboxError("ssh not found on this machine", "Install OpenSSH's client.")

    def ssh_version(self):
        return self.world.ssh_version

    def agent_keys(self):
        return self.world.agent_keys

    def platform(self):
        return "linux"

    def folder_trouble(self, path):
        return self.world.folder_trouble

    def run_ssh(self, command):
        self.ran = list(command)
        self.world.sleep(60)  # what was to happen meanwhile does
        return Ran(self.ssh_code, self.world.cut)

    def ssh_works(self, command):
        return self.world.lets_in

    def make_key(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("the private half")
        Path(f"{path}.pub").write_text(public_key() + " spotbox\n")

    def make_public(self, path):
        Path(f"{path}.pub").write_text(public_key() + " spotbox\n")

    def scan_host_keys(self, host, port):
        return self.world.shown_keys

    def ssh_answers(self, host, port, timeout=3.0):
        return self.world.ssh_answers(host)

    def pipe(self, host, port):
        self.piped = (host, port)

    def own_address(self, env):
        self.world.meets("CheckIp")
        return self.world.address

    def machine(self):
        return "thismachine"


class Unexpected(BaseException):
    """A question that the test's script does not answer; no command can mistake it for an error of its own."""


class ScriptedPrompts(Prompts):
    """Answers in order: (words of the question, answer). None: nobody is there. An unexpected question ends the test.

    Of `choose` the answer must be among the rows; of `text` it must pass the check; `...` takes the default.
    """

    def __init__(self, script: list | None):
        self.script = script
        self.asked: list[str] = []
        self.hints: list[str] = []  # what was shown below the answer at each key

    @property
    def possible(self):
        return self.script is not None

    room = None  # no terminal that a list would have to fit

    def choose(self, question, rows, default, flag, heading=""):
        answer = self._answer(question, flag, default)
        if answer not in [value for _, value in rows]:
            raise Unexpected(f"{answer!r} is not among {rows}")
        self.asked += [heading, *(text for text, _ in rows)]
        return answer

    def text(self, question, default, check, flag, hint=None):
        answer = self._answer(question, flag, default)
        if hint is not None:
            self.hints = [hint(answer[: at + 1]) for at in range(len(answer))]
        if wrong := check(answer):
            raise Unexpected(f"{answer!r}: {wrong}")
        return answer

    def confirm(self, question, default, flag):
        return self._answer(question, flag, default)

    def _answer(self, question, flag, default):
        if self.script is None:
            raise self.refuse(flag)
        if not self.script or self.script[0][0] not in question:
            raise Unexpected(f"asked {question!r}, not {self.script[:1]}")
        answer = self.script.pop(0)[1]
        if isinstance(answer, BaseException):  # KeyboardInterrupt: Ctrl-C at the question
            raise answer
        return default if answer is ... else answer


class FakeApp(App):
    """spotbox.app.App with fakes for everything outside the process; its files lie under SPOTBOX_HOME."""

    def __init__(self, world: World, script: list | None, env: dict[str, str], sandbox: bool = False):
        super().__init__(Common(sandbox=sandbox), env)
        self.cloud = FakeCloud(world)
        self.system = FakeSystem(world)
        self.prompts = ScriptedPrompts(script)
        self.progress = Progress(now=lambda: world.clock)

    def ssh_target(self, address):
        return address, 22


def live(world: World) -> list[Request]:
    """The requests that may launch."""
    return [request for request in world.requests.values() if request.state in LIVE]


def boxes(world: World, name: str = "dev") -> list[Box]:
    """What stands under that name, in every region."""
    seen = FakeCloud(world).observe(["us-east-1", "eu-west-1"], name=name)
    return [box for sight in seen.sights for box in assemble(sight)]


def state(world, region="us-east-1", name="dev"):
    """The state that the box is in now."""
    boxes = assemble(FakeCloud(world).observe([region], name=name).sights[0])
    return str(boxes[0].state) if boxes else "absent"
