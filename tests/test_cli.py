"""The command line as a whole: errors and exit codes, usage, and how quickly it starts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spotbox.app import App
from spotbox.aws.observe import Seen
from spotbox.cli import run
from spotbox.core.boxes import Sight
from spotbox.core.errors import Exit, SpotboxError
from spotbox.options import Common
from tests.probing import told

pytestmark = pytest.mark.usefixtures("home")

ROOT = Path(__file__).parent.parent


class FakeCloud:
    """AWS with one region and nothing in it; or one that fails."""

    def __init__(self, error=None):
        self.error = error

    def default_region(self):
        return None

    def regions(self):
        return {"us-east-1": "opt-in-not-required", "ap-east-1": "not-opted-in"}

    def observe(self, regions, owner=None, name=None, full=True):
        if self.error:
            raise self.error
        return Seen(tuple(Sight(region) for region in regions))

    def together(self, calls):
        return [call() for call in calls]


class FakeApp(App):
    """The App of a test."""

    cloud = None
    identity = None

    def __init__(self, error=None):
        super().__init__(Common())
        self.cloud = FakeCloud(error)


def test_a_terminal_that_is_no_utf8(home):
    """What its encoding has no letter for is written as JSON writes it, in JSON too, and is no bug."""
    (home / "config.toml").write_text('[defaults]\nami = "Zür-漢-😀"\n')
    env = {"PATH": os.environ["PATH"], "SPOTBOX_HOME": str(home), "PYTHONIOENCODING": "latin-1"}
    words = [sys.executable, "-m", "spotbox", "--sandbox", "config", "-o", "json"]
    done = subprocess.run(words, env=env, cwd=ROOT, capture_output=True, timeout=60)
    assert (done.returncode, b"bug" in done.stderr) == (0, False), done.stderr
    assert b"Z\xfcr-\\u6f22-\\ud83d\\ude00" in done.stdout
    assert [row["value"] for row in json.loads(done.stdout.decode("latin-1")) if row["setting"] == "ami"] == [
        "Zür-漢-😀"
    ]


def test_bytes_that_are_no_text(capsys):
    """What AWS cannot be sent is a usage error, and not shown: it may be anything."""
    code = run(
        ["status", "--owner", "alice"],
        FakeApp(UnicodeEncodeError("utf-8", "key\udcff", 3, 4, "surrogates not allowed")),
    )
    assert (code, "no UTF-8" in (err := capsys.readouterr().err), "key" in err) == (Exit.USAGE, True, False)


def test_nothing_there_is_an_empty_array(capsys):
    """status of no box: data on stdout, exit 0."""
    assert run(["status", "--owner", "alice", "-o", "json"], obj=FakeApp()) == Exit.DONE
    assert capsys.readouterr() == ("[]\n", "")


def test_no_such_box_is_exit_7(capsys):
    """A name that has no box: what, and what to do."""
    code, err = told(capsys, "status", "dev", "--owner", "alice", obj=FakeApp())
    assert (code, err) == (
        Exit.NO_SUCH_BOX,
        "spotbox: there is no box named dev\n  alice has no box. Make one with: spotbox up --owner alice\n",
    )


@pytest.mark.parametrize(("region", "code"), [("us-esat-1", Exit.USAGE), ("ap-east-1", Exit.DENIED)])
def test_regions_that_do_not_exist_or_are_not_enabled(capsys, region, code):
    """2 for an unknown region, 5 for one that the account has not enabled."""
    assert told(capsys, "status", "-r", region, "--owner", "a", obj=FakeApp())[0] == code


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            SpotboxError("what\x1b[31m\n", "what next\r", Exit.QUOTA),
            Exit.QUOTA,
            "spotbox: what\\x1b[31m\\n\n  what next\\r\n",
        ),
        (SpotboxError("what"), Exit.FAILED, "spotbox: what\n"),
        (OSError(28, "No space left on device", "/x\x07"), Exit.FAILED, "spotbox: No space left on device (/x\\x07)\n"),
        (ValueError("bad\x1b\n"), Exit.FAILED, "spotbox: unexpected ValueError: bad\\x1b\\n\n"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, "spotbox: interrupted; nothing was changed\n"),
        (EOFError(), Exit.INTERRUPTED, "spotbox: interrupted; nothing was changed\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_are_two_lines_and_an_exit_code(capsys, error, code, text):
    """What happened and what to do, escaped; the exit code is the contract's; a bug names itself."""
    found, err = told(capsys, "status", "--owner", "a", obj=FakeApp(error))
    assert found == code
    assert err.startswith(text)


@pytest.mark.parametrize("args", [["-v", "status"], ["status", "--verbose"]])
def test_verbose_shows_the_traceback(capsys, args):
    """Only then."""
    assert run([*args, "--owner", "a"], obj=FakeApp(ValueError("bad"))) == Exit.FAILED
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("closed", "args", "code"), [(0, ["config", "init"], 2), (1, ["policy", "prices"], 0), (2, ["zork"], 2)]
)
def test_a_stream_that_is_closed(home, closed, args, code):
    """A service may start us without stdin, stdout or stderr: the exit code is what it would have been."""
    done = subprocess.run(
        [sys.executable, "-m", "spotbox", *args], cwd=ROOT, capture_output=True, text=True, timeout=30,
        preexec_fn=lambda: os.close(closed),
    )  # fmt: skip
    assert (done.returncode, "unexpected" in done.stderr) == (code, False), done.stderr


def test_a_flag_of_the_boxs_command_is_not_ours(capsys):
    """What stands behind `--` is for the box: its -v is not --verbose."""
    assert run(["ssh", "--nope", "--", "grep", "-v", "x"], obj=FakeApp()) == Exit.USAGE
    assert run(["status", "--owner", "a", "--", "-v"], obj=FakeApp(ValueError("bad"))) == Exit.USAGE
    assert "Traceback" not in capsys.readouterr().err
    app = FakeApp(ValueError("bad"))
    app.system.need_ssh = lambda: None
    assert run(["ssh", "--owner", "a", "dev", "--", "grep", "-v", "x"], obj=app) == Exit.FAILED
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["status", "--nope"], "No such option '--nope'"),
        (["status", "--no\x1b[31mpe"], "\\x1b[31m"),
        (["status", "Dev"], "'Dev' is not a box name"),
        (["status", "-o", "xml"], "'xml' is not one of"),
        (["up", "--wait", "5"], "'5' is not a duration"),
        (["up", "--allow-cidr", "0.0.0.0/0"], "would open port 22 to the whole internet"),
        (["up", "--tag", "aws:x=1"], "is not yours to set"),
        (["up", "--disk-size"], "requires an argument"),
        (["stauts"], "No such command 'stauts' (did you mean status?)"),
    ],
)
def test_usage_errors_are_exit_2_and_two_lines(capsys, args, says):
    """A mistake on the command line: what, and where to look."""
    code, err = told(capsys, *args, obj=FakeApp())
    assert code == Exit.USAGE
    assert says in err
    assert err.startswith("spotbox: ")
    assert "help" in err


HEAVY = (
    "boto3",
    "botocore",
    "questionary",
    "prompt_toolkit",
    "tabulate",
    "plotext",
    "moto",
    "asyncssh",
    "flask",
    "platformdirs",
)


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["up", "--help"], ["prices", "--help"]])
def test_help_loads_no_heavy_library(args, home):
    """`spotbox --help` is there at once: neither AWS's libraries nor those for tables, prompts and the sandbox."""
    script = (
        "import sys; from spotbox.cli import run; code = run(sys.argv[1:])\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(loaded, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *args], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert done.stdout


def test_an_interruption_after_a_change_says_where_to_look(capsys):
    """Whether anything was changed is known: what was, is looked for with `status`, with the flags that were typed."""
    app = FakeApp(KeyboardInterrupt())
    app.cloud.changed = True
    code, err = told(capsys, "status", "--owner", "a", obj=app)
    assert (code, err) == (130, "spotbox: interrupted\n  See what was done: spotbox status --owner a\n")
    app = FakeApp(KeyboardInterrupt())
    app.looks_here = "spotbox config"
    code, err = told(capsys, "status", "--owner", "a", obj=app)
    assert (code, err) == (130, "spotbox: interrupted\n  See what was done: spotbox config\n")
