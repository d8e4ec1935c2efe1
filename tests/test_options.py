"""The flags, the environment and the config file: which one counts, and what a mistake in them says."""

import importlib
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from spotbox import __version__
from spotbox.app import App
from spotbox.aws.observe import Seen
from spotbox.cli import COMMANDS, run
from spotbox.config import find_places, read_config, write_private
from spotbox.core.boxes import Sight
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.settings import NEVER_KEPT
from spotbox.core.units import Bid
from spotbox.options import (
    BID,
    DURATION,
    KNOWN_FLAGS,
    LOGIN,
    SIZE,
    TRAIN_FLAGS,
    Command,
    Common,
    chosen_region,
    common,
    common_options,
    flag,
    given,
    output_option,
    region_option,
    yes_option,
)

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """No variable of the machine's, and a folder of the test's own."""
    for name in list(os.environ):
        if name.startswith(("SPOTBOX_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SPOTBOX_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def config(home):
    """Writes the config file."""
    return lambda text: (home / "config.toml").write_text(text)


@click.command(cls=Command)
@click.argument("name", required=False)
@region_option
@flag("-z", "--zone", "zones", multiple=True)
@flag("--max-price", "bid", type=BID)
@flag("--disk-size", "disk", type=SIZE)
@flag("--ssh-user", "user", type=LOGIN)
@flag("--wait", type=DURATION, default="15m")
@flag("--pool")
@yes_option
@output_option("text", "json")
@click.pass_context
def probe(ctx, **values):
    """Show what was decided."""
    values["region"] = chosen_region(ctx, values["region"], common(ctx).sandbox)
    ctx.find_root().meta["probed"](values, common(ctx), given(ctx) & {"zones", "bid", "disk", "wait"})


class Probed:
    """One run of a group with the probe in it: exit code, text, values, common options, what was given."""

    def __init__(self, *args, **env):
        @click.group(context_settings={"help_option_names": ["-h", "--help"]})
        @common_options
        @click.pass_context
        def group(ctx):
            ctx.find_root().meta["probed"] = self._note

        group.add_command(probe)
        self.values = self.common = self.given = None
        # One level up from cli.run: exceptions of core arrive as they are.
        done = CliRunner().invoke(group, list(args), env=env)
        self.code, self.text, self.error = done.exit_code, done.output, done.exception

    def _note(self, values, shared, found):
        self.values, self.common, self.given = values, shared, found


def value(name, *args, **env):
    """What the probe decided for one parameter."""
    probed = Probed("probe", *args, **env)
    assert probed.values is not None, probed.text or probed.error
    return probed.values[name]


# -- precedence ----------------------------------------------------------------------------------------------------

PRICES = '[defaults]\nmax-price = "0.3"\n[pool.p]\nmax-price = "0.2"\n[pool.bare]\nregion = "eu-west-1"\n'


def test_flag_over_environment_over_pool_over_defaults_over_built_in(config):
    """The contract's order, one step after the other."""
    assert value("bid") is None
    assert value("wait") == 900
    config(PRICES)
    assert value("bid") == Bid(usd=Decimal("0.3"))
    assert value("bid", "--pool", "p") == Bid(usd=Decimal("0.2"))
    assert value("bid", "--pool", "bare") == Bid(usd=Decimal("0.3"))
    assert value("bid", SPOTBOX_POOL="p") == Bid(usd=Decimal("0.2"))
    assert value("bid", "--pool", "p", SPOTBOX_MAX_PRICE="0.1") == Bid(usd=Decimal("0.1"))
    assert value("bid", "--pool", "p", "--max-price", "50%", SPOTBOX_MAX_PRICE="0.1") == Bid(percent=Decimal(50))


def test_the_flag_chooses_the_pool_before_the_variable(config):
    """--pool goes over SPOTBOX_POOL, and that over `pool` of [defaults]."""
    config(PRICES.replace("[defaults]", '[defaults]\npool = "p"') + '[pool.q]\nmax-price = "0.7"\n')
    assert value("bid") == Bid(usd=Decimal("0.2"))
    assert value("bid", SPOTBOX_POOL="q") == Bid(usd=Decimal("0.7"))
    assert value("bid", "--pool", "p", SPOTBOX_POOL="q") == Bid(usd=Decimal("0.2"))


def test_regions_come_in_the_contracts_order(config):
    """-r, SPOTBOX_REGION, AWS_REGION, AWS_DEFAULT_REGION, pool or config file; None leaves it to the profile."""
    chain = {"SPOTBOX_REGION": "r2", "AWS_REGION": "r3", "AWS_DEFAULT_REGION": "r4"}
    config('[defaults]\nregion = "r6"\n[pool.p]\nregion = "r5"\n')
    assert value("region", "-r", "r1", "--pool", "p", **chain) == "r1"
    for expected in ("r2", "r3", "r4"):
        assert value("region", "--pool", "p", **chain) == expected
        del chain[next(iter(chain))]
    assert value("region", "--pool", "p") == "r5"
    assert value("region") == "r6"
    config("")
    assert value("region") is None


def test_empty_region_variables_count_as_unset(config):
    """An empty variable is no region."""
    config('[defaults]\nregion = "r6"')
    assert value("region", SPOTBOX_REGION="", AWS_REGION="", AWS_DEFAULT_REGION="") == "r6"


def test_in_the_sandbox_awss_own_variables_play_no_part(config):
    """AWS_REGION of the shell does not lead into a region of the sandbox."""
    assert value("region", "--sandbox", AWS_REGION="eu-west-1") is None
    assert value("region", "--sandbox", AWS_REGION="eu-west-1", SPOTBOX_REGION="r2") == "r2"


def test_repeatable_flags_from_every_place(config):
    """A list in the file, a single text, or the variable split at spaces; the flag replaces them all."""
    assert value("zones") == ()
    config('[defaults]\nzone = ["a", "b"]')
    assert value("zones") == ("a", "b")
    assert value("zones", "-z", "c") == ("c",)
    config('[defaults]\nzone = "a"')
    assert value("zones") == ("a",)
    assert value("zones", SPOTBOX_ZONE="x y") == ("x", "y")


def test_consent_is_read_from_no_variable():
    """SPOTBOX_YES does nothing: consent is said each time."""
    assert value("yes", SPOTBOX_YES="1") is False
    assert value("yes", "-y") is True


def test_what_the_user_gave_himself(config):
    """Flag, variable and file count as given, a built-in default does not."""
    config("[defaults]\ndisk-size = 200")
    found = Probed("probe", "-z", "a", SPOTBOX_MAX_PRICE="0.5").given
    assert found == {"zones", "bid", "disk"}


# -- common options ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args", [["--profile", "p", "--sandbox", "-v", "probe"], ["probe", "--profile", "p", "--sandbox", "-v"]]
)
def test_common_options_before_or_after_the_command(args):
    """Both places mean the same, and commands that the user is told to run carry them."""
    found = Probed(*args).common
    assert (found.profile, found.sandbox, found.verbose) == ("p", True, True)
    assert sorted(found.words) == ["--profile", "--sandbox", "p"]


def test_the_one_nearest_the_command_wins():
    """Given twice, the later counts."""
    assert Probed("--profile", "a", "probe", "--profile", "b").common.profile == "b"


def test_the_environment_does_not_override_a_flag_before_the_command():
    """SPOTBOX_PROFILE is read by group and command both, and is weaker than a flag in either place."""
    assert Probed("--profile", "flag", "probe", SPOTBOX_PROFILE="env").common.profile == "flag"
    assert Probed("probe", "--profile", "flag", SPOTBOX_PROFILE="env").common.profile == "flag"
    assert Probed("probe", SPOTBOX_PROFILE="env").common.profile == "env"


@pytest.mark.parametrize(("text", "on"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_the_sandbox_by_variable(text, on):
    """SPOTBOX_SANDBOX=1 is --sandbox; 0 and empty are not."""
    assert Probed("probe", SPOTBOX_SANDBOX=text).common.sandbox is on


def test_common_options_from_the_file(config):
    """profile and sandbox may stand in [defaults]; variable and flag go over them."""
    config('[defaults]\nprofile = "file"\nsandbox = true')
    assert Probed("probe").common == Common(profile="file", sandbox=True)
    assert Probed("probe", SPOTBOX_PROFILE="env", SPOTBOX_SANDBOX="0").common == Common(profile="env")
    assert Probed("--profile", "flag", "probe", SPOTBOX_PROFILE="env").common.profile == "flag"


@pytest.mark.parametrize("where", ["before", "after", "variable"])
def test_another_config_file(home, config, where):
    """--config before or after the command, or SPOTBOX_CONFIG, is read instead of the usual one."""
    config("[defaults]\ndisk-size = 100")
    (home / "other.toml").write_text("[defaults]\ndisk-size = 300")
    other = str(home / "other.toml")
    probed = {
        "before": lambda: Probed("--config", other, "probe"),
        "after": lambda: Probed("probe", "--config", other),
        "variable": lambda: Probed("probe", SPOTBOX_CONFIG=other),
    }[where]()
    assert probed.values["disk"] == 300


@pytest.mark.parametrize(
    "args", [["--version"], ["status", "--version"], ["up", "--version", "--nope"], ["down", "-h"]]
)
def test_version_and_help_on_a_command(args, capsys, config):
    """--version and -h stand before the command or after it, and need no config file that works."""
    config("broken = [")
    if "--nope" in args:
        assert run(args) == Exit.USAGE
        return
    assert run(args) == Exit.DONE
    out = capsys.readouterr().out
    assert out == f"spotbox {__version__}\n" if "--version" in args else out.startswith("Usage: ")


# -- mistakes in the file ------------------------------------------------------------------------------------------


def told(capsys, *args, obj=None):
    """Exit code and stderr of the real command line; an error is two lines at most, and never a traceback."""
    code = run(list(args), obj=obj)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 2
    return code, err


def test_an_unknown_key_names_the_nearest(capsys, config):
    """A key that is no flag is an error with the nearest right one, whichever command runs."""
    config('[defaults]\ninstance_typ = "g5.xlarge"')
    code, err = told(capsys, "status")
    assert code == Exit.USAGE
    assert "[defaults] has no setting 'instance_typ' (did you mean instance-type?)" in err


def test_a_flag_of_another_command_is_known(config):
    """One file serves all commands: a flag that this one does not have is no error."""
    config('[defaults]\nsubnet = "subnet-1"\nkeep-data = true')
    assert value("disk") is None


@pytest.mark.parametrize("text", ["broken = [", "[defaults", "a = 1\na = 2", "\x00"])
def test_a_file_that_is_no_toml(capsys, config, home, text):
    """The file and the place are named, exit 2."""
    config(text)
    code, err = told(capsys, "status")
    assert code == Exit.USAGE
    assert f"{home}/config.toml is not valid TOML" in err


def test_a_file_that_is_no_utf8(capsys, home):
    """Latin-1 bytes are told as such."""
    (home / "config.toml").write_bytes(b"[defaults]\nregion = '\xe9'")
    assert told(capsys, "status")[0] == Exit.USAGE


def test_a_file_that_cannot_be_read(capsys, home):
    """A folder in its place is told, not crashed on."""
    (home / "config.toml").mkdir()
    code, err = told(capsys, "status")
    assert (code, "cannot read" in err) == (Exit.USAGE, True)


@pytest.mark.parametrize("path", ["/nonexistent/x.toml", "~no-such-user/x.toml"])
def test_a_named_file_that_is_not_there(capsys, path):
    """--config of a missing file is an error; the usual one may be missing."""
    code, err = told(capsys, "status", "--config", path)
    assert (code, "there is no config file" in err) == (Exit.USAGE, True)
    assert read_config(Path("/nonexistent/x.toml"), named=False) == {}


@pytest.mark.parametrize(
    "line",
    ['max-price = ["0.5", "0.6"]', "max-price = true", "disk-size = true", "wait = [1]", "region = ['a', 'b']",
     "zone = true", "sandbox = ['yes']", "disk-size = 'huge'", "wait = 5", "output = 'xml'"],
)  # fmt: skip
def test_a_value_of_the_wrong_form(config, line):
    """One value where one is meant, text where text is meant: else a usage error, never a crash later on."""
    config(f"[defaults]\n{line}")
    probed = Probed("probe")
    assert probed.values is None
    assert isinstance(probed.error, UsageError) or probed.code == Exit.USAGE


def test_every_pool_is_named_when_one_is_missing(config):
    """An unknown pool names the nearest."""
    config(PRICES)
    error = Probed("probe", "--pool", "baer").error
    assert isinstance(error, UsageError)
    assert "did you mean bare?" in error.message


# -- the table of flags --------------------------------------------------------------------------------------------


def every_command():
    """All commands with their subcommands; those of the sandbox where it is built."""
    for name in COMMANDS:
        try:
            found = getattr(importlib.import_module(f"spotbox.commands.{name}"), name)
        except ImportError as error:
            if name != "sandbox" or "process" not in str(error):
                raise
            continue
        yield name, found
        yield from getattr(found, "commands", {}).items()


def declared():
    """Long flag name -> the options that have it."""
    flags = {}
    for _, command in every_command():
        for option in command.params:
            for name in option.opts if isinstance(option, click.Option) else ():
                if name.startswith("--"):
                    flags.setdefault(name[2:], []).append(option)
    return flags


def test_the_config_file_knows_the_flags_of_the_commands():
    """Every long flag but the never-kept ones is a key of the config file, and no other word is."""
    flags = set(declared()) - NEVER_KEPT
    assert flags <= KNOWN_FLAGS
    # `pool` is read by every command, from SPOTBOX_POOL and [defaults]; `notice` is the sandbox's.
    later = set() if "train" in COMMANDS else TRAIN_FLAGS
    assert KNOWN_FLAGS - flags <= {"pool"} | later | (set() if "sandbox" in dict(every_command()) else {"notice"})


def test_every_flag_has_its_variable():
    """SPOTBOX_<FLAG> for every flag; for consents none."""
    for name, options in declared().items():
        for option in options:
            if name in ("yes", "all", "fix", "help", "version", "stdio"):
                assert option.envvar is None, name
            else:
                assert option.envvar == f"SPOTBOX_{name.upper().replace('-', '_')}"


def test_every_flag_says_what_it_does():
    """No option without help, and each command has its own one line."""
    for name, options in declared().items():
        assert all(option.help for option in options), name
    for name, command in every_command():
        assert command.help or command.short_help, name


# -- files ---------------------------------------------------------------------------------------------------------


def test_all_files_lie_under_spotbox_home(tmp_path):
    """SPOTBOX_HOME is the root of config, keys, cache and sandbox; ~ of a user that is not there is a plain name."""
    places = find_places({"SPOTBOX_HOME": str(tmp_path)})
    for path in (places.config, places.keys, places.cache, places.sandbox, places.ssh_config, places.known_hosts):
        assert tmp_path in (path, *path.parents)
    assert find_places({"SPOTBOX_HOME": "~no-such-user/x"}).data.is_absolute()


def test_a_private_file_is_written_whole(tmp_path):
    """0600 from the first byte, no draft left, and bytes that are no UTF-8 come back as they were read."""
    path = tmp_path / "sub" / "f"
    write_private(path, "one\n")
    assert path.stat().st_mode & 0o777 == 0o600
    odd = b"Host caf\xe9\n"
    write_private(path, odd.decode("utf-8", "surrogateescape"))
    assert path.read_bytes() == odd
    assert [p.name for p in path.parent.iterdir()] == ["f"]


# -- errors and exit codes -----------------------------------------------------------------------------------------


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
        (KeyboardInterrupt(), Exit.INTERRUPTED, "\ninterrupted\n"),
        (EOFError(), Exit.INTERRUPTED, "\ninterrupted\n"),
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


def test_a_login_is_checked_where_it_is_given():
    """--ssh-user takes a login, not an option of ssh."""
    assert value("user", "--ssh-user", "ubuntu") == "ubuntu"
    assert Probed("probe", "--ssh-user", "-oProxyCommand=x").code == Exit.USAGE


# -- start-up ------------------------------------------------------------------------------------------------------

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


def test_a_form_of_output_that_a_command_has_not(monkeypatch, capsys):
    """SPOTBOX_OUTPUT is one variable for every command, as the config file's `output` is: a form that a command lacks
    leaves it as it is. On the command line, and for a word that is no form at all, it is a usage error."""
    shown = {}
    for command, kinds in (("one", ("text", "json")), ("two", ("table", "json", "csv"))):

        @click.command(cls=Command)
        @output_option(*kinds)
        def probe(output, name=command):
            shown[name] = output

        for form in ("text", "table", "json", "csv"):
            monkeypatch.setenv("SPOTBOX_OUTPUT", form)
            CliRunner().invoke(probe, [], catch_exceptions=False)
            assert shown[command] == (form if form in kinds else kinds[0])
        monkeypatch.setenv("SPOTBOX_OUTPUT", "yaml")
        assert CliRunner().invoke(probe, []).exit_code == 2
        monkeypatch.delenv("SPOTBOX_OUTPUT")
        assert CliRunner().invoke(probe, ["-o", "text" if "csv" in kinds else "csv"]).exit_code == 2
