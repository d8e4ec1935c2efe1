"""The shape of the command line as plain data: commands, flags, arguments, and what completion offers for each."""

from typing import Any

import click

from spotbox.cli import COMMANDS, cli
from spotbox.defaults import long_name

_KINDS = {"region": "region", "zone": "zone", "instance-type": "instance-type", "gpu": "gpu", "pool": "pool",
          "config": "file", "key": "file", "user-data": "file"}  # fmt: skip


def shape() -> dict[str, Any]:
    """The whole of it. Imports every command."""
    return _node(cli, "", None)


def _node(command: click.Command, about: str, parent: click.Context | None) -> dict[str, Any]:
    context = click.Context(command, parent, info_name=command.name, **command.context_settings)
    flags = {
        name: _flag(option)
        for option in command.get_params(context)
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }
    arguments = [_values(param) for param in command.params if isinstance(param, click.Argument)]
    found: dict[str, Any] = {"about": about, "flags": flags, "arguments": arguments}
    if isinstance(command, click.Group):
        below = {name: command.get_command(context, name) for name in command.list_commands(context)}
        found["commands"] = {
            name: _node(inner, COMMANDS.get(name, "") if command is cli else _sentence(inner.help), context)
            for name, inner in below.items()
            if inner is not None and not inner.hidden
        }
        for inner in below.values():
            if inner is not None and inner.hidden:  # the group's own work, beside its commands
                work = _node(inner, "", context)
                found |= {"flags": {**flags, **work["flags"]}, "arguments": work["arguments"]}
    return found


def _flag(option: click.Option) -> dict[str, Any]:
    return {
        **_values(option),
        "name": long_name(option),
        "takes": not (option.is_flag or option.count),
        "many": option.multiple,
        "hidden": option.hidden,
        "about": _sentence(option.help),
    }


def _values(param: click.Parameter) -> dict[str, Any]:
    """What is offered as its value: the choices, else the words of a kind."""
    choices = list(map(str, param.type.choices)) if isinstance(param.type, click.Choice) else []
    kind = _KINDS.get(long_name(param).replace("_", "-"))
    return {"choices": choices, "kind": kind or getattr(param.type, "kind", None)}


def _sentence(text: str | None) -> str:
    """The first sentence of a help text, on one line."""
    line = " ".join((text or "").split("\b")[0].split())
    return line.split(". ")[0].split("; ")[0].rstrip(".")
