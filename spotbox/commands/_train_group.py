"""`spotbox train PATH` beside `spotbox train status NAME`: the first word that is no flag says which is meant."""

from collections.abc import Iterator, Sequence

import click

from spotbox.options import Command

RUN = "run"  # what the group calls its own work inside; nobody types it


class OfTrain(click.Context):
    """The context of the work itself, which is called `spotbox train` and not `spotbox train run`."""

    @property
    def command_path(self) -> str:
        """What the user typed."""
        return self.parent.command_path if self.parent else super().command_path


class Train(click.Group):
    """A group whose own work takes a path: a path named like one of its commands starts with `./`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Bring the word that chooses to the front: its flags may stand before it or after it."""
        return super().parse_args(ctx, self._sorted(args))

    def _sorted(self, args: list[str]) -> list[str]:
        at = next(self._words(args), None)
        if at is None or args[at] not in self._chosen():
            return [RUN, *args]
        return [args[at], *args[:at], *args[at + 1 :]]

    def _words(self, args: Sequence[str]) -> Iterator[int]:
        """Where the words are that are neither flags nor their values."""
        valued = {name for option in self._options() if not option.is_flag for name in option.opts}
        skip = False
        for at, word in enumerate(args):
            if skip:
                skip = False
            elif word.startswith("-") and word != "-":
                skip = word in valued
            else:
                yield at

    def _chosen(self) -> list[str]:
        return [name for name in self.commands if name != RUN]

    def _options(self) -> Iterator[click.Option]:
        for command in self.commands.values():
            yield from (param for param in command.params if isinstance(param, click.Option))

    def get_help(self, ctx: click.Context) -> str:
        """The help of its own work, which lists the other commands."""
        work = self.commands[RUN]
        return work.get_help(OfTrain(work, parent=ctx, info_name=RUN))


class Work(Command):
    """The group's own work; its help names the group's other commands."""

    context_class = OfTrain

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own, and below them the group's other commands."""
        super().format_options(ctx, formatter)
        group = ctx.parent.command if ctx.parent else None
        if not isinstance(group, click.Group):
            return
        rows = [(name, one.get_short_help_str(80)) for name, one in group.commands.items() if not one.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
