"""A command that tells what was decided for its flags, and the real command line with what it says."""

import click
from click.testing import CliRunner

from spotbox.cli import run
from spotbox.options import (
    BID,
    DURATION,
    LOGIN,
    SIZE,
    Command,
    chosen_region,
    common,
    common_options,
    flag,
    given,
    output_option,
    region_option,
    yes_option,
)


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


PRICES = '[defaults]\nmax-price = "0.3"\n[pool.p]\nmax-price = "0.2"\n[pool.bare]\nregion = "eu-west-1"\n'


def told(capsys, *args, obj=None):
    """Exit code and stderr of the real command line; an error is two lines at most, and never a traceback."""
    code = run(list(args), obj=obj)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 2
    return code, err
