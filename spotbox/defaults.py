"""What the config file says to the flags of one command, checked as the flags themselves check it."""

from typing import Any

import click

from spotbox.core.errors import UsageError
from spotbox.core.settings import Settings, Value

OUTPUTS = ("text", "table", "json", "csv")


def defaults_of(command: click.Command, ctx: click.Context, settings: Settings) -> dict[str, Any]:
    """What the settings in force say to the command's own flags, by parameter name.

    UsageError for a value that a flag of the command does not take, also in a pool that was not chosen.
    """
    mine = {long_name(o): o for o in command.params if isinstance(o, click.Option)}
    jobs = command.name == "train"
    for place, key, value in settings:
        if key in mine:
            _check(ctx, mine[key], _own(key, value, jobs, mine[key]), f"{settings.origin}: {place} {key}")
    found = {key: _own(key, value, jobs, mine[key]) for key, value in settings.in_force.items() if key in mine}
    return {
        str(mine[key].name): _fitting(value, mine[key], f"{settings.origin}: {settings.place(key)} {key}")
        for key, value in found.items()
        if value is not None
    }


def _own(key: str, value: Value, jobs: bool, option: click.Option) -> Value | None:
    """A setting as far as it is for this command: a type for jobs is none for boxes, and not every form of output is
    one of every command."""
    if key == "output" and isinstance(option.type, click.Choice) and value in OUTPUTS:
        return value if value in option.type.choices else None
    if key != "instance-type" or isinstance(value, bool):
        return value
    from spotbox.core.pools import own_types

    found = own_types(value if isinstance(value, list) else [value], jobs)
    if len(found) == 1 and not option.multiple:
        return found[0]
    return found or None


def _check(ctx: click.Context, option: click.Option, value: Value | None, place: str) -> None:
    """UsageError where the flag does not take the value."""
    if value is None:
        return
    try:
        option.type_cast_value(ctx, _fitting(value, option, place))
    except click.UsageError as error:
        raise UsageError(f"{place}: {error.message}", "Give it as the flag takes it.") from None


def _fitting(value: Value, option: click.Option, place: str) -> Value:
    """The setting in the form that the option takes: a switch, one text, or texts. UsageError where it has another."""
    if isinstance(value, list) and not option.multiple:
        raise UsageError(f"{place} takes one value, not a list", "Give it without brackets.")
    if isinstance(value, bool) and not option.is_flag:
        raise UsageError(f"{place} takes a value, not true or false", "Give it as the flag takes it, in quotes.")
    return [value] if option.multiple and isinstance(value, str) else value


def long_name(option: click.Parameter) -> str:
    """The flag's long name without dashes, which is its key in a config file."""
    return next((o[2:] for o in option.opts if o.startswith("--")), option.opts[0].lstrip("-"))
