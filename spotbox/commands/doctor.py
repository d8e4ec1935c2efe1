"""spotbox doctor: is everything in order for a box, and if not, which command mends it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import Any

import click

from spotbox.app import DEFAULT_REGION, App, get_app
from spotbox.commands._checks import remedies
from spotbox.commands._choose import Market, default_type, offers_of, suitable
from spotbox.commands._machine import check_folders, check_ssh, find_key
from spotbox.core import judge, machine
from spotbox.core.doctor import KEYS, Check, Status, exit_code, not_known
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.identity import owner_from
from spotbox.core.names import join_names, key_fingerprint, key_name
from spotbox.core.quotas import quota_of
from spotbox.core.records import Image, InstanceType
from spotbox.core.remedies import Remedies
from spotbox.core.text import plural, safe
from spotbox.options import OWNER, Command, chosen_region, common, flag, output_option, region_option, types_option
from spotbox.output import screen, to_csv, to_json

BROKEN = "spotbox.broken-config"
MARKS = {Status.OK: "ok  ", Status.WARN: "warn", Status.FAIL: "FAIL"}
# Of the 256: green, orange and red that stand 3.8 to 1 and better against white as against black.
COLOURS = {Status.OK: 28, Status.WARN: 166, Status.FAIL: 160}


@dataclass(frozen=True)
class Look:
    """What a box would be made of, as far as flags, environment and config file say."""

    types: tuple[str, ...]
    ami: str
    key: str | None
    subnet: str | None
    owner: str | None


class Doctor(Command):
    """A command that a broken config file does not stop: it is one of the things to be told."""

    def _read_defaults(self, ctx: click.Context, given: dict[str, Any]) -> None:
        try:
            super()._read_defaults(ctx, given)
        except UsageError as error:
            ctx.meta[BROKEN] = error


@click.command(cls=Doctor)
@region_option
@types_option("Instance type to check for; default: the one that `up` would take. Repeatable.")
@flag("--ami", default="dlami", hidden=True, help="The image, as `up` takes it.")
@flag("--key", hidden=True, help="The public key file, as `up` takes it.")
@flag("--subnet", hidden=True, help="The subnet, as `up` takes it.")
@flag("--owner", type=OWNER, hidden=True, help="Whose key pair, as `up` takes it.")
@output_option("table", "json", "csv")
@click.pass_context
def doctor(ctx: click.Context, region: str | None, types: tuple[str, ...], ami: str, key: str | None,
           subnet: str | None, owner: str | None, output: str) -> None:  # fmt: skip
    """Check all that a box hangs on, at once, and print the command that mends what is not in order.

    Credentials, clock, permissions, the Spot role, the Spot quota in vCPU, network, image, key, ssh. Image, key and
    subnet are those of the config file and of SPOTBOX_AMI, SPOTBOX_KEY, SPOTBOX_SUBNET. Nothing is changed.

    Exit code 0 unless a check fails, then that of the gravest kind: 5 credentials or permission, 4 quota, 1 the rest.

    \b
    spotbox doctor
    spotbox doctor -r eu-west-1 -t g5.xlarge
    spotbox doctor -o json
    """
    app = get_app(ctx)
    checks = [_config(ctx, app), check_folders(app), check_ssh(app)]
    app.progress.glance("asking AWS")
    look = Look(tuple(dict.fromkeys(types)), ami, key, subnet, owner)
    checks += _aws(app, chosen_region(ctx, region, app.sandbox), look)
    app.progress.done()
    _tell(app, checks, output)


def _config(ctx: click.Context, app: App) -> Check:
    named = common(ctx).config or app.env.get("SPOTBOX_CONFIG")
    path = Path(named).expanduser() if named else app.places.config / "config.toml"
    trouble = ctx.meta.get(BROKEN)
    if trouble and not path.exists():  # one that --config names, and that is not there
        raise trouble
    return machine.config(str(path), path.exists(), trouble)


def _aws(app: App, name: str | None, look: Look) -> list[Check]:
    """The checks that AWS has a part in; what cannot be asked for want of credentials or region is left out."""
    from spotbox.aws.doctor import Want

    try:
        region = name or app.cloud.default_region() or DEFAULT_REGION
        mine = find_key(app, look.key)
        found = app.cloud.examine(Want(region, look.types, look.ami, look.subnet, mine.public))
    except SpotboxError as error:  # the profile is not there, or its file is broken
        if error.exit_code is Exit.USAGE:
            raise
        return [judge.credentials(error, "", "", remedies(app, name or DEFAULT_REGION))]
    who, told = found.who, found.told
    with_ = remedies(app, region, None if isinstance(who, SpotboxError) else who)
    checks = [
        judge.credentials(who, found.source, found.login, with_),
        judge.clock(found.heard or app.system.now(), told, app.system.platform()),
    ]
    if isinstance(who, SpotboxError):
        app.remark("what needs credentials was not looked at")
        return checks
    checks.append(_region(region, found.regions, with_))
    if checks[-1].status is Status.FAIL:
        app.remark(f"what is in {safe(region)} was not looked at")
        return checks
    key = replace(mine, name=key_name(look.owner or owner_from(who), key_fingerprint(mine.public))
                  if mine.public else "")  # fmt: skip
    return checks + _of_the_region(app, found, key, look, with_)


def _region(region: str, known: Any, with_: Remedies) -> Check:
    """UsageError where AWS has no such region."""
    if isinstance(known, SpotboxError):
        return not_known("region", known, with_)
    return judge.region(region, known, with_)


def _of_the_region(app: App, found: Any, key: judge.Key, look: Look, with_: Remedies) -> list[Check]:
    if isinstance(found.types, UsageError):
        raise found.types
    kinds = _kinds(found, look.types)
    names = {kind.name for kind in kinds}
    if isinstance(found.types, SpotboxError):
        quotas = [not_known("quota", found.types, with_)]
    else:
        quotas = [judge.spot_quota(kind, _room(found.rooms, kind.name), with_) for kind in kinds]
    checks = [judge.permissions(found.permissions, with_), judge.role(found.role, with_), *quotas]
    checks.append(judge.network(found.subnets, zones_of(found, names), look.subnet, with_))
    checks += [judge.on_spot(kind, zones_of(found, [kind.name])[kind.name], with_) for kind in kinds]
    checks.append(judge.image(found.image, look.ami, kinds, app.system.now(), with_))
    checks.append(judge.key(key, _remote(found.keys, key.name), with_))
    checks.append(judge.disk_key(found.disk_key, with_))
    return checks


def _remote(pairs: Mapping[str, str] | SpotboxError, name: str) -> str | SpotboxError | None:
    """The public half of the pair of that name; empty where there is none, None where AWS does not show it."""
    if isinstance(pairs, SpotboxError):
        return pairs
    return (pairs[name] or None) if name in pairs else ""


def _room(rooms: Mapping[str, judge.Room], name: str) -> judge.Room | None:
    quota = quota_of(name)
    return rooms.get(quota.code) if quota else None


def zones_of(found: Any, names: Iterable[str]) -> dict[str, frozenset[str]]:
    """Type -> the zones where Spot sells it, as far as they could be told."""
    spot = {} if isinstance(found.spot, SpotboxError) else found.spot
    return {name: frozenset(zone for type_, zone in spot if type_ == name) for name in names}


def _kinds(found: Any, wanted: Sequence[str]) -> list[InstanceType]:
    """The types to judge: those named, else the one that `up` would take; none where nothing was told of them."""
    if isinstance(found.types, SpotboxError):
        return []
    if wanted:
        return [found.types[name] for name in wanted]
    if isinstance(found.spot, SpotboxError) or not isinstance(found.image, Image):
        return []
    offers = offers_of("", dict(found.types), {}, dict(found.spot), {}, {zone for _, zone in found.spot})
    market = Market("", found.image, dict(found.types), offers, {}, "")
    try:
        return [found.types[default_type(market, suitable(market, None, None))]]
    except SpotboxError:
        return []


def _tell(app: App, checks: Sequence[Check], output: str) -> None:
    """Print the rows; the exit code is that of the gravest kind that fails."""
    rows = [{"check": c.check, "status": str(c.status), "detail": c.detail, "remedy": c.remedy} for c in checks]
    if output == "json":
        click.echo(to_json(rows))
    elif output == "csv":
        click.echo(to_csv(rows, KEYS))
    else:
        colour = not app.env.get("NO_COLOR") and app.env.get("TERM") != "dumb"
        app.echo("\n".join(_lines(checks, colour, screen())))
    failing = [check for check in checks if check.status is Status.FAIL]
    if failing:
        names = join_names(list(dict.fromkeys(check.check for check in failing)))
        raise SpotboxError(
            f"{plural(len(failing), 'check')} failed: {names}",
            "Each row above names the command that mends it; then run `spotbox doctor` again.",
            exit_code(checks),
        )


def _lines(checks: Sequence[Check], colour: bool, columns: int | None = None) -> list[str]:
    """Rows with a mark, wrapped at so many columns; the remedy has a line of its own, unbroken, for it is pasted."""
    width = max(len(check.check) for check in checks)
    indent = " " * (6 + width)
    room = max((columns or 10**6) - len(indent) - 2, 20)
    lines = []
    for check in checks:
        mark = click.style(MARKS[check.status], fg=COLOURS[check.status]) if colour else MARKS[check.status]
        first, *more = wrap(safe(check.detail), room, break_on_hyphens=False) or [""]
        lines.append(f"{mark}  {check.check:<{width}}  {first}")
        lines += [f"{indent}  {line}" for line in more]
        if check.remedy:
            lines.append(f"{indent}  $ {safe(check.remedy)}")
    return lines
