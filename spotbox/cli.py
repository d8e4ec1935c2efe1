"""The command line: global options, a lazy table of commands, errors -> one line and an exit code."""

import codecs
import importlib
import io
import os
import sys
from contextlib import suppress
from typing import Any

import click

from spotbox import __version__, signals
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.text import as_typed, did_you_mean, safe
from spotbox.options import Common, common, common_options, version_option

# name -> one line of help, shown without importing the command.
COMMANDS = {
    "up": "Create a box, or bring the one of that name up.",
    "ssh": "Open a shell on a box, or run a command there.",
    "down": "Remove a box and all that belongs to it.",
    "prices": "Show what GPUs cost now, where, and how that was.",
    "status": "Show your boxes: state, price, address.",
    "stop": "Stop a box; its disk stays.",
    "start": "Start a stopped box.",
    "move": "Move a box to another zone, region or type, disk included.",
    "cost": "Show what your boxes cost, and what they saved.",
    "audit": "Show what is left over, what it bills, and remove it.",
    "doctor": "Check that everything is in order, and say what mends it.",
    "train": "Train on SageMaker managed Spot, followed to the end; status, list, stop.",
    "policy": "Print the least IAM policy for what you do.",
    "sandbox": "An AWS of your own on this machine.",
    "config": "Show where every setting comes from; write the config file.",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is used, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        found = getattr(importlib.import_module(f"spotbox.commands.{cmd_name}"), cmd_name)
        assert isinstance(found, click.Command)  # noqa: S101
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click, with the name that was meant where there is no such command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {safe(args[0])!r}{did_you_mean(args[0], COMMANDS)}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table's own sentences, for which no command is imported."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@version_option
@common_options
def cli() -> None:
    """A cloud GPU workstation at Spot price: one persistent Spot request with a box behind it.

    \b
    spotbox --sandbox up     try it here, without an AWS account
    spotbox up               a GPU box on AWS; asks, shows prices, asks once more
    spotbox ssh              a shell on it
    spotbox down             gone without a trace
    """


def main(args: list[str] | None = None) -> None:
    """Run spotbox and exit with the contract's code."""
    asked = os.environ.get("_SPOTBOX_COMPLETE", "")
    if asked.endswith("_complete"):
        from spotbox.complete import answer

        return answer()
    if asked:  # the script for the shell is click's; it sees to it in `cli()`, not in `run`
        from click.shell_completion import shell_complete

        try:
            sys.exit(shell_complete(cli, {}, "spotbox", "_SPOTBOX_COMPLETE", asked))
        except OSError:  # a full disk, a reader that has gone
            sys.exit(_flushed(Exit.FAILED))
    _have_streams()
    try:
        signals.install()
        code = run(args)
        signals.finish()
        code = _flushed(code)
    except KeyboardInterrupt:  # while the end of it was being told
        with suppress(OSError):
            click.echo("\nspotbox: interrupted", err=True)
        code = Exit.INTERRUPTED
    sys.exit(code)


def _have_streams() -> None:
    """Something in the place of stdin, stdout and stderr where whoever started us closed one: Python has None there.

    In their order, so that each takes its own descriptor, and no file that is opened later does.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - to the end
    codecs.register_error("spotbox", _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="spotbox")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """What a terminal or pipe of another encoding than UTF-8 cannot be given, as JSON writes it: JSON stays JSON."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101 - nothing is decoded with it
    text = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{text[i]:02x}{text[i + 1]:02x}" for i in range(0, len(text), 2)), error.end


def _flushed(code: int) -> int:
    """The exit code, now that all is written. What cannot be is dropped, or Python would try once more at its exit,
    complain, and end with a code of its own (120)."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = code or (Exit.FAILED if stream is sys.stdout else code)
    return code


def run(args: list[str] | None = None, obj: Any = None) -> int:
    """Run spotbox; returns the exit code. Errors become two lines on stderr, never a traceback but with --verbose."""
    words = list(sys.argv[1:] if args is None else args)
    own = words[: words.index("--")] if "--" in words else words  # what follows is for the box
    verbose = bool({"-v", "--verbose"} & set(own))
    typed, app = Common(), None
    try:
        with cli.make_context("spotbox", words, obj=obj) as ctx:
            try:
                cli.invoke(ctx)
            finally:
                verbose = verbose or common(ctx).verbose
                typed, app = common(ctx), ctx.obj
                _end_live_line(ctx)  # an error may come while something is waited for
        return Exit.DONE
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return Exit.USAGE
    except click.ClickException as error:
        _tell(" ".join(error.format_message().split()), _where_to_look(error))
        return Exit.USAGE if isinstance(error, click.UsageError) else error.exit_code
    except (KeyboardInterrupt, click.Abort, EOFError):
        _tell(*_cut_off(app, typed), afresh=True)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return Exit.FAILED  # whoever read our output has gone; leave quietly
    except Exception as error:
        if verbose:
            _traceback()
        message, hint, code = _told_of(error, typed)
        _tell(message, hint, afresh=code == Exit.INTERRUPTED)
        return code


def _told_of(error: Exception, typed: Common) -> tuple[str, str, int]:
    """What is told of an error, the next step, and the exit code."""
    if isinstance(error, SpotboxError):
        message, hint = (as_typed(text, typed.words, typed.own) for text in (error.message, error.hint))
        return message, hint, error.exit_code
    if isinstance(error, UnicodeEncodeError):  # of what was typed; where it goes to AWS it is not looked at before
        return "what was given holds bytes that are no UTF-8", "AWS takes text alone: type it anew.", Exit.USAGE
    if isinstance(error, OSError):
        where = f" ({safe(error.filename)})" if error.filename else ""
        hint = "Check the disk and its permissions, then try again."
        return f"{error.strerror or safe(error)}{where}", hint, Exit.FAILED
    return (  # a bug of ours: one line, the versions, where to report
        f"unexpected {type(error).__name__}: {safe(error)}",
        f"This is a bug in spotbox {__version__} (Python {sys.version.split()[0]}): please report it "
        "to the project, with the output of the same command and --verbose.",
        Exit.FAILED,
    )


def _cut_off(app: Any, typed: Common) -> tuple[str, str]:
    """What is told of a Ctrl-C that no command has caught: it does where it knows what is left half-done."""
    if not getattr(app, "changed", False):
        return "interrupted; nothing was changed", ""
    return "interrupted", as_typed(f"See what was done: {app.where_to_look}", typed.words, typed.own)


def _end_live_line(ctx: click.Context) -> None:
    progress = getattr(ctx.obj, "progress", None)
    if progress:
        progress.done()


def _where_to_look(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"See: {context.command_path if context else 'spotbox'} --help"


def _tell(message: str, hint: str, afresh: bool = False) -> None:
    """The two lines; `afresh` in place of what the terminal wrote on this one by itself, the ^C of who left."""
    from spotbox.progress import Progress

    shown = Progress()
    if afresh:
        shown.afresh()
    shown.say(f"spotbox: {message}", hang=2)
    if hint:
        shown.say(f"  {hint}", hang=2)


def _traceback() -> None:
    import traceback

    traceback.print_exc()
