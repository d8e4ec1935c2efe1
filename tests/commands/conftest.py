"""`user`: one user at one machine, with an account that is a World; `keyed`: with a box that takes
his key; `script`: what he trains with."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spotbox.cli import run
from tests.commands.fakes import FakeApp
from tests.commands.world import World, public_key


@dataclass
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """stdout as JSON: the whole of it must be."""
        return json.loads(self.out)


@dataclass
class User:
    """Runs spotbox in this process; each command is a new App over the same World and the same files."""

    world: World
    home: Path
    capsys: pytest.CaptureFixture
    env: dict[str, str] = field(default_factory=dict)
    app: FakeApp | None = None

    def run(
        self, *args: str, answers: list | None = None, sandbox: bool = False, ssh_code: int = 0, room: int | None = None
    ) -> Said:
        """One command; `answers` is what the user types (None: no terminal). All of it must have been asked for."""
        self.app = FakeApp(self.world, answers, {"SPOTBOX_HOME": str(self.home), **self.env}, sandbox)
        self.app.system.ssh_code = ssh_code
        self.app.prompts.room = room
        self.capsys.readouterr()
        code = run(list(args), obj=self.app)
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        assert "This is a bug" not in err, err
        assert not answers, f"not asked: {answers}"
        return Said(int(code), out, err)


@pytest.fixture
def user(tmp_path, monkeypatch, capsys):
    """A user with an empty home and an empty account; nothing of the real environment reaches the commands."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "SPOTBOX_")):
            monkeypatch.delenv(name)
    home = tmp_path / "spotbox"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SPOTBOX_HOME", str(home))
    return User(World(), home, capsys)


@pytest.fixture
def script(user):
    """A script to train with, as the user names it."""
    user.home.mkdir(parents=True, exist_ok=True)
    path = user.home.parent / "fit.py"
    path.write_text("print('hello')\n")
    return str(path)


@pytest.fixture
def keyed(user):
    """A user with spotbox's own key on this machine and a running box that takes it."""
    user.run("up", "-y")
    user.run("down", "-y")
    user.world.made = 0
    user.world.has_box("dev", key=public_key())
    return user
