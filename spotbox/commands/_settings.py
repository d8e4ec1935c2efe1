"""Where every setting comes from: variable, pool, [defaults], AWS profile, built-in; as the flags find it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from spotbox.app import DEFAULT_REGION, App
from spotbox.core.names import join_names
from spotbox.core.settings import NEVER_KEPT, Settings, Value
from spotbox.core.text import did_you_mean, safe
from spotbox.core.units import exact_duration, parse_duration
from spotbox.defaults import defaults_of, long_name
from spotbox.options import DURATION, REGION_VARIABLES

BUILT_IN, PROFILE, IDENTITY = "built-in", "AWS profile", "AWS identity"
# Variables that are no flag's.
OTHERS = {"SPOTBOX_HOME", "SPOTBOX_CONFIG", "SPOTBOX_ADVISOR_URL", "SPOTBOX_CHECKIP_URL", "SPOTBOX_SETTLE"}
# What a flag's own default does not say.
_WORDS = {"max-price": "on-demand", "disk-size": "100", "region": DEFAULT_REGION}
_FIRST = ("up", "prices", "status")  # whose built-in defaults count where commands differ
_LAST = ("train", "config", "sandbox")


@dataclass(frozen=True)
class Row:
    """A setting in force: its value (None: not set), and where that comes from (empty for what is not set)."""

    setting: str
    value: Value | None
    source: str = ""

    @property
    def is_set(self) -> bool:
        """Whether it says anything: a switch that is off by itself does not."""
        return self.value is not None and not (self.source == BUILT_IN and self.value is False)


def rows(app: App, ctx: click.Context, settings: Settings) -> list[Row]:
    """Every setting in force. Nothing is asked of AWS, and the sandbox is not started."""
    found: dict[str, Row] = {}
    for command, option in _options(ctx):
        if (name := long_name(option)) not in found and name not in NEVER_KEPT:
            found[name] = _row(app, command, option, settings)
    pool = settings.pool
    if pool:
        source = ctx.get_parameter_source("pool")
        how = {ParameterSource.COMMANDLINE: "--pool", ParameterSource.ENVIRONMENT: "SPOTBOX_POOL"}
        found["pool"] = Row("pool", pool.name, how.get(source or ParameterSource.DEFAULT, "[defaults]"))
        found["market"] = Row("market", pool.market, f"[pool.{pool.name}]" if pool.on_demand else BUILT_IN)
        found["max-boxes"] = Row("max-boxes", str(pool.max_boxes) if pool.max_boxes else None, f"[pool.{pool.name}]")
    return list(found.values())


def _options(ctx: click.Context) -> Iterator[tuple[click.Command, click.Option]]:
    """Every flag with its command; first those of the commands that come _FIRST."""
    root = ctx.find_root()
    group = root.command
    assert isinstance(group, click.Group)  # noqa: S101 - spotbox itself
    names = sorted(group.list_commands(root), key=lambda name: (name not in _FIRST, name in _LAST))
    for command in (each for name in names for each in _work(group.get_command(root, name))):
        for option in command.params:
            if isinstance(option, click.Option):
                yield command, option


def _work(command: click.Command | None) -> list[click.Command]:
    """The command itself, or what a group of commands is made of."""
    if isinstance(command, click.Group):
        return list(command.commands.values())
    return [command] if command else []


def _row(app: App, command: click.Command, option: click.Option, settings: Settings) -> Row:
    name = long_name(option)
    inner = click.Context(command, info_name=command.name)
    inner.default_map = defaults_of(command, inner, settings)
    value, source = option.consume_value(inner, {})
    if source is ParameterSource.ENVIRONMENT:
        _try(app, inner, option, value)
        return Row(name, hidden(name, _kept(value)), str(option.envvar))
    strong = source is ParameterSource.DEFAULT_MAP
    if name == "region" and not app.sandbox:
        variable = next((v for v in REGION_VARIABLES if app.env.get(v)), None)
        if variable:
            return Row(name, _listed(option, app.env[variable]), variable)
        if not strong and (region := app.cloud.default_region()):
            return Row(name, _listed(option, region), PROFILE)
    if strong:
        return Row(name, hidden(name, _kept(value)), settings.place(name) or "")
    if name == "profile" and not app.sandbox and app.env.get("AWS_PROFILE"):
        return Row(name, app.env["AWS_PROFILE"], "AWS_PROFILE")
    default = None if name == "output" else _kept(option.get_default(inner))  # of output each command has its own
    if default is None and name in _WORDS:
        default = _listed(option, _WORDS[name])
    if default is None:
        return Row(name, None, IDENTITY if name == "owner" else "")
    if option.type is DURATION and isinstance(default, str):
        default = exact_duration(parse_duration(default))
    return Row(name, default, BUILT_IN)


def _listed(option: click.Option, value: str) -> Value:
    return [value] if option.multiple else value


def _kept(value: Any) -> Value | None:
    """A value as a config file would have it; None for what is not set."""
    if isinstance(value, bool):
        return value
    if isinstance(value, tuple | list):
        return [str(v) for v in value] or None
    return str(value) if isinstance(value, str | int | float) else None


def hidden(name: str, value: Value | None) -> Value | None:
    """A setting less what may be a secret: of the variables of a training job only the names."""
    if name != "env" or isinstance(value, bool) or value is None:
        return value
    return [f"{text.partition('=')[0]}=..." for text in (value if isinstance(value, list) else [value])]


def _try(app: App, ctx: click.Context, option: click.Option, value: Any) -> None:
    """A remark for a variable whose flag does not take it."""
    try:
        option.type_cast_value(ctx, value)
    except click.UsageError as error:
        app.remark(f"{option.envvar}: {error.message}")


def tell_unknown(app: App, ctx: click.Context) -> None:
    """A remark for each SPOTBOX_ variable that nothing reads."""
    known = {str(option.envvar) for _, option in _options(ctx) if option.envvar} | OTHERS
    for name in sorted(app.env):
        if name.startswith("SPOTBOX_") and name not in known and not name.startswith("SPOTBOX_SANDBOX_"):
            app.remark(f"{safe(name)} is no variable of spotbox's{did_you_mean(name, known)}")


def shown(value: Value | None) -> str:
    """A value for a reader."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(value) if isinstance(value, list) else value or ""


def unset(found: list[Row]) -> str:
    """The names of the settings that nobody has set."""
    return join_names([row.setting for row in found if not row.is_set and row.source != IDENTITY])


def from_file(source: str) -> bool:
    """Whether a setting comes from the config file."""
    return source.startswith("[")
