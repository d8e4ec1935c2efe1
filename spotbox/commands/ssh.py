"""spotbox ssh: the system's OpenSSH on the box, with its key, its user and its known host key."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands import _connect
from spotbox.commands._data import try_data
from spotbox.commands._find import again, need_box
from spotbox.commands._leave import staying
from spotbox.core import sshtext
from spotbox.core.boxes import Box
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.explain import explain
from spotbox.core.meanings import Who
from spotbox.core.plans import plan_tags
from spotbox.core.states import State
from spotbox.core.text import shell
from spotbox.options import Command, Parsed, flag, name_argument, owner_option, region_option

LOST = 255  # ssh(1), EXIT STATUS: an error of ssh's own, such as a connection that was lost
TOLD_WITHIN = 8  # seconds: whoever is cut off from AWS as well waits for nothing
LOOKS = 8  # within that time, a second apart
HOST_KEY_WAIT = 10  # seconds; `up` has waited longer already


def _forward(text: str) -> str:
    try:
        return sshtext.parse_forward(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a forward", "Give PORT, or PORT:HOST:PORT, such as 8888.") from None


class SshCommand(Command):
    """What stands after `--` is the command for the box, whether or not a NAME stands before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            cut = args.index("--")
            ctx.meta["spotbox.command"] = tuple(args[cut + 1 :])
            args = args[:cut]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] [NAME] [-- COMMAND...]")


@click.command(cls=SshCommand)
@name_argument
@flag(
    "-L",
    "--forward",
    "forwards",
    multiple=True,
    type=Parsed("port[:host:port]", _forward),
    help="Forward a local port.",
)
@flag("--print", "show", is_flag=True, help="Print the ssh command line instead of running it.")
@flag("--stdio", is_flag=True, hidden=True, help="Find the box and pipe to it (for ssh_config).")
@region_option
@owner_option
@click.pass_context
def ssh(ctx: click.Context, /, name: str, show: bool, stdio: bool, **flags: Any) -> None:
    """Open a shell on NAME (default dev), or run COMMAND there; the exit code is ssh's.

    \b
    spotbox ssh
    spotbox ssh -- nvidia-smi
    spotbox ssh train -L 8888
    """
    app = get_app(ctx)
    command: tuple[str, ...] = ctx.meta.get("spotbox.command", ())
    if not stdio:
        app.system.need_ssh()
    place = app.named_region(ctx, flags["region"])
    box = need_box(app, place, app.owner(flags["owner"]), name)
    _needs_running(box)
    if stdio:
        _pipe(app, box)
        return
    if not show:
        with staying(app, box, f"spotbox ssh {name}"):
            for step in plan_tags(box):
                app.cloud.apply(step, app.progress.show)
            _connect.admit_caller(app, box)
            _learn(app, box)
            try_data(app, box)
    where = _connect.target(app, box)
    if where is None:
        raise SpotboxError(f"{name} has no public address yet", f"Look with: spotbox status {name}")
    words = sshtext.ssh_command(where, flags["forwards"], command)
    if show:
        click.echo(shell(words))
        return
    if where.key is None:
        where = _by_hand(app, box, where)
        words = sshtext.ssh_command(where, flags["forwards"], command)
    app.debug(f"running: {shell(words)}")
    ran = app.system.run_ssh(words)
    if ran.code == LOST and not ran.cut:
        _tell_lost(app, box)
    ctx.exit(ran.code)


def _needs_running(box: Box) -> None:
    if box.state is State.RUNNING:
        return
    code = Exit.NO_CAPACITY if box.state in (State.INTERRUPTED, State.WAITING) else Exit.FAILED
    what_next = {
        State.STOPPED: f"Start it with: spotbox start {box.name}",
        State.STARTING: f"Wait for it with: spotbox up {box.name}",
        State.INTERRUPTED: f"Only AWS can restart it; wait for it with: spotbox up {box.name}; or take it elsewhere: "
        f"spotbox move {box.name}",
        State.KEPT: f"Take it back with: spotbox up {box.name}",
        State.WAITING: f"Wait for it with: spotbox up {box.name}",
    }
    raise SpotboxError(
        f"{box.name} is {box.state}: {box.reason}",
        what_next.get(box.state, f"Look with: spotbox status {box.name}"),
        code,
    )


def _tell_lost(app: App, box: Box) -> None:
    """After a connection that was lost: what became of the box, where it does not run any more or is about to stop.

    AWS is asked for `TOLD_WITHIN` seconds, more than once only where it does not tell yet who stops the box. Where it
    cannot be asked, ssh's own words have to do: it may be this machine that is cut off.
    """
    from spotbox.commands._watch import Job

    found: list[Box | None] = []
    try:
        app.progress.glance(f"asking AWS what became of {box.name} (Ctrl-C leaves)")
        Job(lambda: _look(app, box, found)).start().within(TOLD_WITHIN)
        if not found:
            raise SpotboxError("AWS does not answer")
        seen = found[-1]
    except (SpotboxError, KeyboardInterrupt) as error:
        app.progress.done()
        app.debug(f"what became of {box.name} could not be found out: {error}")
        return
    app.progress.done()
    if seen is None:
        app.remark(f"{box.name} is gone; make it anew: spotbox up {box.name}")
    elif seen.state is not State.RUNNING or seen.reason:
        told = explain(seen)
        app.remark(f"{box.name} is {seen.state}: {told.what}; {told.do}")


def _look(app: App, box: Box, found: list[Box | None]) -> None:
    """Add the box as it is now; again and again while it is being stopped, and AWS does not say by whom."""
    for _ in range(LOOKS):
        seen = again(app, box, full=False)
        found.append(seen)
        if seen is None or seen.state is not State.STOPPING or explain(seen).who is not Who.UNKNOWN:
            return
        app.system.sleep(1)


def _learn(app: App, box: Box) -> None:
    known = _connect.learn_host(app, box, HOST_KEY_WAIT)
    app.progress.done()
    if not known:
        app.remark("AWS does not show this box's host key any more; the first key seen will be kept (unproven)")
    _connect.write_entry(app, box)


def _pipe(app: App, box: Box) -> None:
    where = _connect.target(app, box)
    if where is None:
        raise SpotboxError(f"{box.name} has no public address yet", f"Look with: spotbox status {box.name}")
    with contextlib.suppress(KeyboardInterrupt):  # so ssh ends its ProxyCommand: a hang-up is no news
        app.system.pipe(where.host, where.port)


def _by_hand(app: App, box: Box, where: sshtext.Target) -> sshtext.Target:
    """The way in where there is no file that tells ssh the box's key."""
    if not _connect.in_agent(app, box):
        return _push_key(app, box, where)
    app.remark("ssh tries all keys of your agent, as the one for this box could not be noted")
    return where


def _push_key(app: App, box: Box, where: sshtext.Target) -> sshtext.Target:
    """The box's private key is neither on this machine nor in its agent: push spotbox's own for a minute through EC2
    Instance Connect. The user's ssh may know another way in, so a push that AWS refuses is a remark, not an end.
    """
    private, public = _connect.own_key(app)
    try:
        app.cloud.push_key(box.region, where.alias, where.user, public)
    except SpotboxError as error:
        app.remark(
            f"the private key of {box.name} ({box.instance.key_name if box.instance else 'unknown'}) is not on this "
            f"machine, and AWS would not take another for the moment: {error.message}"
        )
        app.remark(f"copy the key into {Path(app.places.keys)} or add it to your ssh agent")
        return where
    app.remark("this machine does not have the box's key: pushed its own for one minute (EC2 Instance Connect)")
    return replace(where, key=str(private))
