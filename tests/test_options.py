"""The flags, the environment and the config file: which one counts."""

from decimal import Decimal

import click
import pytest
from click.testing import CliRunner

from spotbox import __version__
from spotbox.cli import run
from spotbox.core.errors import Exit
from spotbox.core.units import Bid
from spotbox.options import Command, Common, output_option
from tests.probing import PRICES, Probed, value

pytestmark = pytest.mark.usefixtures("home")


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
    "args",
    [
        ["--version"],
        ["status", "--version"],
        ["up", "--version", "--nope"],
        ["down", "-h"],
        ["config", "--version"],
        ["sandbox", "--version"],
        ["config", "path", "--version"],
    ],
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


def test_a_login_is_checked_where_it_is_given():
    """--ssh-user takes a login, not an option of ssh."""
    assert value("user", "--ssh-user", "ubuntu") == "ubuntu"
    assert Probed("probe", "--ssh-user", "-oProxyCommand=x").code == Exit.USAGE


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
