"""spotbox sandbox: start, stop and play with the AWS on this machine."""

import re
from decimal import Decimal
from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands._ledger import forget
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.text import safe
from spotbox.core.units import parse_usd, show_duration
from spotbox.options import DURATION, Command, Parsed, common_options, flag, output_option, version_option, yes_option
from spotbox.output import screen, to_json, to_pairs
from spotbox.sandbox import process

_STATUS = "spotbox sandbox status"


@click.group()
@version_option
@common_options
def sandbox() -> None:
    """An AWS of your own on this machine: no account, no cost, nothing of it can reach real AWS.

    \b
    spotbox --sandbox up
    spotbox sandbox interrupt dev
    eval "$(spotbox sandbox env)"; aws ec2 describe-spot-instance-requests
    """


@sandbox.command(cls=Command)
@click.pass_context
def start(ctx: click.Context) -> None:
    """Start it; its boxes come back as they were. Fine twice.

    \b
    spotbox sandbox start
    SPOTBOX_SANDBOX_PACE=0.2 spotbox sandbox start    five times as fast
    """
    end = get_app(ctx).endpoint
    click.echo(f"the sandbox answers at {end.url} (pid {end.pid})")


@sandbox.command(cls=Command)
@click.pass_context
def stop(ctx: click.Context) -> None:
    """Stop it; its state is kept for the next start. Fine twice.

    \b
    spotbox sandbox stop
    spotbox sandbox stop && spotbox sandbox start
    """
    app = get_app(ctx)
    app.looks_here = _STATUS
    stopped = process.stop(app.places.sandbox)
    click.echo("the sandbox is stopped" if stopped else "the sandbox does not run")


@sandbox.command(cls=Command)
@output_option("table", "json")
@click.pass_context
def status(ctx: click.Context, output: str) -> None:
    """Show whether it runs, where, and what is in it.

    \b
    spotbox sandbox status
    spotbox sandbox status -o json
    """
    app = get_app(ctx)
    end = process.running(app.places.sandbox)
    record: dict[str, Any] = {"running": end is not None, "folder": str(app.places.sandbox)}
    if end:
        record |= {"url": end.url, "pid": end.pid, **process.call(end, "status")}
    click.echo(to_json(record) if output == "json" else to_pairs(_lines(record), screen()))


def _lines(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Label and value; of a list each item on a line of its own."""
    lines = []
    for key, value in record.items():
        items = value if isinstance(value, list) and value else [value]
        lines += [("" if at else key, _words(item)) for at, item in enumerate(items)]
    return lines


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(_words(item) for item in value) or "none"
    return safe(value)


@sandbox.command(cls=Command)
@click.pass_context
def env(ctx: click.Context) -> None:
    """Print export lines, so that the AWS CLI or any SDK talks to it: eval "$(spotbox sandbox env)".

    \b
    eval "$(spotbox sandbox env)"; aws ec2 describe-instances
    eval "$(spotbox sandbox env)"; python my_script.py
    """
    import shlex

    app = get_app(ctx)
    for name, value in process.environment(app.endpoint).items():
        click.echo(f"export {name}={shlex.quote(value)}")
    if home := app.env.get("SPOTBOX_HOME"):
        click.echo(f"export SPOTBOX_HOME={shlex.quote(home)}")


@sandbox.command(cls=Command)
@yes_option
@click.pass_context
def reset(ctx: click.Context, yes: bool) -> None:
    """Empty it: every box, file and key in it is gone.

    \b
    spotbox sandbox reset
    spotbox sandbox reset -y
    """
    app = get_app(ctx)
    if not yes and not app.prompts.possible:
        app.remark("no terminal to ask on: going ahead, as this is the sandbox")
    elif not yes and not app.prompts.confirm("Empty the sandbox, its boxes and files?", True, "-y"):
        raise SpotboxError("nothing was removed, as you said")
    app.looks_here = _STATUS
    process.reset(app.places.sandbox)
    forget(app)
    click.echo("the sandbox is empty")


def _box_or_job(text: str) -> str:
    """A name that a box or a training job may have; the sandbox knows which there are."""
    if not re.fullmatch(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,62}", text):
        raise UsageError(f"{text!r} is no name of a box or a training job", "Use letters, digits and hyphens.")
    return text


def _order(app: App, what: str, **words: Any) -> dict[str, Any]:
    """Have the sandbox do something of its own accord."""
    end = app.endpoint
    app.looks_here = _STATUS
    return process.call(end, what, **words)


@sandbox.command(cls=Command)
@click.argument("name", type=Parsed("name", _box_or_job, "box"))
@flag("--notice", type=DURATION, metavar="DUR", help="Time between notice and stop (default 5s; AWS gives 2m).")
@click.pass_context
def interrupt(ctx: click.Context, name: str, notice: int | None) -> None:
    """Let AWS interrupt the box or training job NAME: a notice, then a stop; it comes back when there is capacity.

    \b
    spotbox sandbox interrupt dev
    spotbox sandbox interrupt my-training-job
    spotbox sandbox interrupt dev --notice 2m
    """
    extra = {} if notice is None else {"notice": notice}
    app = get_app(ctx)
    said = _order(app, "interrupt", box=name, **extra)
    wait = said.get("notice")
    when = f" in {show_duration(wait)}" if isinstance(wait, int | float) else ""
    if said.get("kind") == "job":
        app.echo(f"AWS takes the machines of the training job {name} back{when}; it starts again by itself", 2)
        return
    click.echo(f"{name} ({safe(said.get('id', 'its instance'))}) will be stopped by AWS{when}")


@sandbox.command(cls=Command)
@click.argument("instance_type", metavar="TYPE")
@click.argument("zone")
@click.argument("state", type=click.Choice(["open", "closed"]))
@click.pass_context
def capacity(ctx: click.Context, instance_type: str, zone: str, state: str) -> None:
    """Open or close the Spot capacity of TYPE in ZONE.

    \b
    spotbox sandbox capacity g5.xlarge us-east-1a closed
    spotbox sandbox capacity g5.xlarge us-east-1a open
    """
    _order(get_app(ctx), "capacity", type=instance_type, zone=zone, state=state)
    click.echo(f"{safe(instance_type)} in {safe(zone)} is {state}")


@sandbox.command(cls=Command)
@click.argument("instance_type", metavar="TYPE")
@click.argument("zone")
@click.argument("usd", type=Parsed("usd", parse_usd))
@click.pass_context
def price(ctx: click.Context, instance_type: str, zone: str, usd: Decimal) -> None:
    """Set the Spot price of TYPE in ZONE to USD per hour; boxes whose maximum is below it are interrupted.

    \b
    spotbox sandbox price g5.xlarge us-east-1a 0.90
    spotbox sandbox price g4dn.xlarge us-east-1b 0.15
    """
    _order(get_app(ctx), "price", type=instance_type, zone=zone, usd=str(usd))
    click.echo(f"{safe(instance_type)} in {safe(zone)} costs ${usd:f}/h now")
