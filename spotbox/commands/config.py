"""spotbox config: where every setting comes from, where the file is, and a first file by questions."""

from typing import Any

import click

from spotbox.app import App, get_app
from spotbox.commands._settings import IDENTITY, Row, from_file, hidden, rows, shown, tell_unknown, unset
from spotbox.core.settings import Pool, Settings
from spotbox.core.text import safe
from spotbox.options import (
    Command,
    common_options,
    config_file,
    current_settings,
    flag,
    output_option,
    version_option,
    yes_option,
)
from spotbox.output import to_csv, to_json, to_wrapped

KEYS = ("pool", "setting", "value", "source", "file")


class ShowsByDefault(click.Group):
    """A group whose `show` runs where no subcommand is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `show` in front of what are its own options."""
        asked = {"-h", "--help", "--version"} & set(args)
        if not asked and not ctx.resilient_parsing and not any(word in self.commands for word in args):
            first = next((word for word in args if not word.startswith("-")), None)
            if first is None or args[0].startswith("-"):
                args = ["show", *args]
        return super().parse_args(ctx, args)


class Unread(Command):
    """A command that the config file says nothing to: it may be missing, or broken."""

    def _read_defaults(self, ctx: click.Context, given: dict[str, Any]) -> None:
        pass


@click.group(cls=ShowsByDefault)
@version_option
@common_options
def config() -> None:
    """Where every setting comes from; `init` asks and writes the config file, `path` tells where it is.

    \b
    spotbox config                     every setting in force and its source
    spotbox config show --pool big     as `up --pool big` would have it
    spotbox config init                a config file by questions
    """


@config.command(cls=Command)
@flag("--pool", metavar="NAME", help="Show what is in force with [pool.NAME].")
@output_option("table", "json", "csv")
@click.pass_context
def show(ctx: click.Context, pool: str | None, output: str) -> None:
    """Show every setting with its value and where that comes from, and the pools of the file.

    \b
    spotbox config show
    spotbox config show --pool big -o json
    """
    app = get_app(ctx)
    settings = current_settings(ctx)
    path, _ = config_file(ctx)
    found = rows(app, ctx, settings)
    if output == "table":
        _table(app, settings, found, safe(path) + ("" if path.exists() else " (there is none)"))
    else:
        file = str(path) if path.exists() else None
        records = [_record(None, row, file) for row in found]
        records += [_record(each.name, row, file) for each in settings.pools.values() for row in _of_pool(each)]
        click.echo(to_json(records) if output == "json" else to_csv(records, KEYS))
    tell_unknown(app, ctx)


def _record(pool: str | None, row: Row, file: str | None) -> dict[str, Any]:
    """One row for a script: `pool` is null for what is in force, else the pool that has the setting."""
    source = row.source or None
    return {
        "pool": pool,
        "setting": row.setting,
        "value": row.value,
        "source": source,
        "file": file if source and from_file(source) else None,
    }


def _of_pool(pool: Pool) -> list[Row]:
    """What a pool says: its market, its limit, its flags."""
    source = f"[pool.{pool.name}]"
    limit = [Row("max-boxes", str(pool.max_boxes), source)] if pool.max_boxes else []
    flags = [Row(key, hidden(key, value), source) for key, value in pool.flags.items()]
    return [Row("market", pool.market, source), *limit, *flags]


def _table(app: App, settings: Settings, found: list[Row], path: str) -> None:
    app.remark(f"config file: {path}")
    told = [[row.setting, shown(row.value), row.source] for row in found if row.is_set]
    told += [[row.setting, "your own name", row.source] for row in found if not row.is_set and row.source == IDENTITY]
    click.echo(to_wrapped(told, ("setting", "value", "from")))
    cells = [
        [pool.name if first else "", row.setting, shown(row.value)]
        for pool in settings.pools.values()
        for first, row in _firsts(_of_pool(pool))
    ]
    if cells:
        click.echo()
        click.echo(to_wrapped(cells, ("pool", "setting", "value")))
    app.remark(f"not set: {unset(found)}")


def _firsts(rows_: list[Row]) -> list[tuple[bool, Row]]:
    return [(i == 0, row) for i, row in enumerate(rows_)]


@config.command(cls=Unread)
@click.pass_context
def path(ctx: click.Context) -> None:
    """Print where the config file is, or would be.

    \b
    spotbox config path
    $EDITOR "$(spotbox config path)"
    """
    file, _ = config_file(ctx)
    click.echo(safe(file.absolute()))
    if not file.exists():
        get_app(ctx).remark("there is none yet; make one with: spotbox config init")


@config.command(cls=Unread)
@yes_option
@click.pass_context
def init(ctx: click.Context, yes: bool) -> None:
    """Ask for the usual settings and write them into the config file; comments and pools in it stay.

    \b
    spotbox config init
    spotbox config init -y     a sample to edit, in which nothing is set yet
    """
    from spotbox.commands._config_init import ask_and_write, write_sample

    app = get_app(ctx)
    file, _ = config_file(ctx)
    if yes:
        write_sample(app, file)
    elif app.prompts.possible:
        ask_and_write(app, file)
    else:
        raise app.prompts.refuse("-y")
