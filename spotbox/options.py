"""Shared click options and ParamTypes: each says the form it accepts and reads SPOTBOX_<FLAG> and the config file."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from spotbox import __version__
from spotbox.core import checkpoints, names, units
from spotbox.core.cost_since import parse_since
from spotbox.core.errors import UsageError
from spotbox.core.settings import NO_VARIABLE, Pool, Settings, read_settings
from spotbox.core.text import OF_A_BOX, Own, safe
from spotbox.defaults import OUTPUTS, defaults_of

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class Common:
    """The options that stand before the command or after it."""

    profile: str | None = None
    config: str | None = None
    sandbox: bool = False
    verbose: bool = False
    typed: tuple[tuple[str, str], ...] = ()  # those of profile, config and sandbox that stand on the command line
    own: tuple[Own, ...] = ()  # -r and --owner where they stand on the command line
    standing_owner: str | None = None  # what SPOTBOX_OWNER or the config file says, whatever was typed

    @property
    def words(self) -> list[str]:
        """The options as they were typed, for commands that the user is told to run."""
        return [w for name, value in self.typed for w in ([f"--{name}"] if name == "sandbox" else [f"--{name}", value])]


class Parsed(click.ParamType[Any]):
    """A value that a function of core parses; its UsageError becomes click's."""

    def __init__(self, name: str, parse: Callable[[str], Any], kind: str | None = None):
        self.name = name
        self._parse = parse
        self.kind = kind  # of the words that completion offers

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What the text means; a value that is parsed already stays."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except UsageError as error:
            self.fail(f"{error.message}. {error.hint}", param, ctx)


NAME = Parsed("name", names.check_name, "box")
OWNER = Parsed("name", names.check_owner)
LOGIN = Parsed("name", names.check_login)
DURATION = Parsed("duration", units.parse_duration)
SIZE = Parsed("gib", units.parse_size)
MEMORY = Parsed("gib", units.parse_memory)
BID = Parsed("price", units.parse_bid)
CHECKPOINT = Parsed("folder=s3://", checkpoints.parse_checkpoint)
SINCE = Parsed("duration|date", parse_since)
TAG = Parsed("k=v", names.parse_tag)
CIDR = Parsed("cidr", lambda text: (text, units.parse_cidr(text)))


def flag(*declared: str, **attributes: Any) -> Callable[[Any], Any]:
    """click.option that also reads SPOTBOX_<LONG NAME>, but for consents, which are said each time."""
    long = next(name for name in declared if name.startswith("--")).split("/")[0][2:]
    if long not in NO_VARIABLE:
        attributes.setdefault("envvar", f"SPOTBOX_{long.upper().replace('-', '_')}")
        attributes.setdefault("show_envvar", False)
    return click.option(*declared, **attributes)


def _note(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Keep a common option on the context's root. What was given nearest the command wins; the environment never
    overrides a flag that stood before the command."""
    name, so_far = param.name or "", common(ctx)
    source, kinds = ctx.get_parameter_source(name), click.core.ParameterSource
    unset = getattr(so_far, name) in (None, False)
    if source is kinds.COMMANDLINE or (source in (kinds.ENVIRONMENT, kinds.DEFAULT_MAP) and unset):
        typed = so_far.typed
        if source is kinds.COMMANDLINE and name != "verbose":
            typed = (*(pair for pair in typed if pair[0] != name), (name, str(value)))
        ctx.find_root().meta["spotbox.common"] = replace(so_far, **{name: value, "typed": typed})
    return value


def _note_own(ctx: click.Context) -> None:
    """Keep the typed -r and --owner for the hints. Those of `up` and `move` are where it may launch: the box may be
    elsewhere, so only the same command repeats them; and several are nothing for a command that takes one."""
    own: list[Own] = []
    for name, flag in (("region", "-r"), ("owner", "--owner")):
        if name not in typed(ctx):
            continue
        value = ctx.params[name]
        values = [value] if isinstance(value, str) else list(value)
        commands = OF_A_BOX | ({"prices", "doctor"} if name == "region" else {"move"})
        if name == "region" and (ctx.info_name in ("up", "move") or len(values) > 1 or values == ["all"]):
            commands = frozenset({str(ctx.info_name)})
        elif values == ["all"]:
            commands = frozenset({"status", "audit"})
        own += [Own(flag, value, commands) for value in values]
    standing = os.environ.get("SPOTBOX_OWNER") or (ctx.default_map or {}).get("owner")
    ctx.find_root().meta["spotbox.common"] = replace(common(ctx), own=tuple(own), standing_owner=standing)


def unsay_region(ctx: click.Context) -> None:
    """No hint repeats the typed -r any more: the command has found that it is about another place."""
    now = common(ctx)
    ctx.find_root().meta["spotbox.common"] = replace(now, own=tuple(flag for flag in now.own if flag.flag != "-r"))


def common(ctx: click.Context) -> Common:
    """The common options as given so far."""
    found = ctx.find_root().meta.get("spotbox.common", Common())
    assert isinstance(found, Common)  # noqa: S101 - only what is above writes it
    return found


version_option = click.version_option(__version__, message="spotbox %(version)s")


def common_options(command: Any) -> Any:
    """--profile, --config, --sandbox, --verbose on the group and on every command."""
    shared: dict[str, Any] = {"expose_value": False, "callback": _note, "is_eager": True}
    for option in (
        flag("-v", "--verbose", is_flag=True, help="Say what is being done, and show tracebacks.", **shared),
        flag("--sandbox", is_flag=True, help="Use the embedded AWS on this machine; start it when needed.", **shared),
        flag("--config", metavar="FILE", help="Read this config file instead of the usual one.", **shared),
        flag("--profile", metavar="NAME", help="AWS profile whose credentials and region to use.", **shared),
    ):
        command = option(command)
    return command


class Command(click.Command):
    """A command whose flags take their defaults from the config file, and that knows the common options."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        version_option(self)
        common_options(self)
        # common_options leaves its options in __click_params__, as decorators do on functions.
        self.params += reversed(self.__dict__.pop("__click_params__", []))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the config file before the flags, because it is where their defaults come from."""
        if not ctx.resilient_parsing:
            given, _, _ = self.make_parser(ctx).parse_args(list(args))
            help_option = self.get_help_option(ctx)  # its name differs between click's versions
            asked = {"version", help_option.name if help_option else "help"}
            if not any(given.get(name) for name in asked):
                self._read_defaults(ctx, given)
        rest = super().parse_args(ctx, args)
        _note_own(ctx)
        return rest

    def _read_defaults(self, ctx: click.Context, given: dict[str, Any]) -> None:
        pool = given.get("pool") or os.environ.get("SPOTBOX_POOL")
        settings = load_settings(config_file(ctx, given.get("config")), pool)
        ctx.meta["spotbox.settings"] = settings
        ctx.default_map = defaults_of(self, ctx, settings)


def config_file(ctx: click.Context, typed: str | None = None) -> tuple[Path, bool]:
    """Where the config file is, and whether it was named by --config or SPOTBOX_CONFIG."""
    from spotbox.config import find_places

    named = typed or common(ctx).config or os.environ.get("SPOTBOX_CONFIG")
    return Path(os.path.expanduser(named)) if named else find_places(os.environ).config / "config.toml", bool(named)


def load_settings(file: tuple[Path, bool], pool: str | None) -> Settings:
    """The config file as it is read, with the pool of that name chosen. UsageError where it means nothing."""
    from spotbox.config import read_config

    return read_settings(read_config(*file), KNOWN_FLAGS, pool, safe(file[0]))


def current_settings(ctx: click.Context) -> Settings:
    """What the config file says, as this run has read it."""
    found = ctx.meta.get("spotbox.settings", Settings(""))
    assert isinstance(found, Settings)  # noqa: S101 - only _read_defaults writes it
    return found


def chosen_pool(ctx: click.Context) -> Pool | None:
    """The pool in force, by --pool, SPOTBOX_POOL or [defaults]; None where none was chosen."""
    return current_settings(ctx).pool


# Every long flag that a config file may set; a test holds it against the commands.
KNOWN_FLAGS = frozenset({
    "role", "image", "count", "max-run", "max-wait", "output-path", "input", "hyperparameter", "env", "on-demand",
    "resume", "as-step", "pipeline", "torchrun", "volume-size", "no-wait",
    "profile", "sandbox", "verbose", "region", "zone", "instance-type", "gpu", "min-vram", "max-price", "ami",
    "disk-size", "disk-type", "data-size", "key", "allow-cidr", "subnet", "iam-profile", "user-data", "tag", "ssh-user",
    "owner", "wait", "pool", "output", "forward", "keep-data", "notice", "park", "fallback", "sort", "limit", "score",
    "quota", "refresh", "history", "ttl", "idle-stop", "checkpoint", "watch",
    "account", "bucket", "disk-key", "strict", "since", "follow", "actual",
})  # fmt: skip

region_option = flag("-r", "--region", metavar="REGION", help="AWS region, such as us-east-1.")
regions_option = flag(
    "-r", "--region", multiple=True, metavar="REGION", help="AWS region, such as us-east-1, or all; repeatable."
)
owner_option = flag("--owner", type=OWNER, metavar="NAME", help="Whose boxes; default: the name of your AWS identity.")
yes_option = flag("-y", "--yes", is_flag=True, help="Take the default for every answer that no flag gave.")
dry_run_option = flag("--dry-run", is_flag=True, help="Print the plan that would run, and change nothing.")
ttl_option = flag(
    "--ttl",
    type=DURATION,
    help="Time limit from now, such as 8h, at whose end the box stops itself; 0 removes it.",
)
idle_stop_option = flag(
    "--idle-stop",
    type=DURATION,
    help="The box stops itself after so long without work, such as 2h; 0 removes it.",
)
name_argument = click.argument("name", type=NAME, default="dev", required=False)


def types_option(text: str) -> Callable[[Any], Any]:
    """-t, repeatable, as `types`."""
    return flag("-t", "--instance-type", "types", multiple=True, metavar="TYPE", help=text)


class Form(click.Choice[str]):
    """A form of output. SPOTBOX_OUTPUT speaks to every command: a form that this one has not leaves it as it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The form that was asked for, else the first."""
        said = ctx.get_parameter_source(param.name or "") if ctx and param else None
        if said is click.core.ParameterSource.ENVIRONMENT and value in OUTPUTS and value not in self.choices:
            return self.choices[0]
        return super().convert(value, param, ctx)


def output_option(*kinds: str) -> Callable[[Any], Any]:
    """-o with these forms; the first is the default."""
    return flag(
        "-o",
        "--output",
        type=Form(kinds),
        default=kinds[0],
        show_default=True,
        help="Form of the data on stdout.",
    )


def chosen_region(ctx: click.Context, value: str | None, sandbox: bool) -> str | None:
    """The region by the contract's order: flag, SPOTBOX_REGION, AWS_REGION, AWS_DEFAULT_REGION, pool or config file.

    None leaves it to the AWS profile. In the sandbox AWS's own variables play no part.
    """
    source = ctx.get_parameter_source("region")
    strong = (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)
    if source not in strong and not sandbox:
        value = next((os.environ[name] for name in REGION_VARIABLES if os.environ.get(name)), value)
    return value


def chosen_regions(ctx: click.Context, values: Sequence[str], sandbox: bool) -> tuple[str, ...]:
    """As `chosen_region`, for a command that takes several; none leaves it to the AWS profile."""
    one = chosen_region(ctx, None, sandbox)
    return (one,) if one else tuple(values)


def given(ctx: click.Context) -> frozenset[str]:
    """Names of the parameters that the user gave himself: by flag, variable or config file, not by default."""
    default = (click.core.ParameterSource.DEFAULT, None)
    return frozenset(name for name in ctx.params if ctx.get_parameter_source(name) not in default)


def typed(ctx: click.Context) -> frozenset[str]:
    """Names of the parameters that stand on the command line itself: what is meant now, not in general."""
    return frozenset(n for n in ctx.params if ctx.get_parameter_source(n) is click.core.ParameterSource.COMMANDLINE)
