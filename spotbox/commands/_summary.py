"""What `up` shows before it asks for the last time: the box, and what it costs."""

from collections.abc import Sequence
from decimal import Decimal

from spotbox.app import App
from spotbox.commands._bid import DAYS, Held, held_by
from spotbox.commands._choose import Market
from spotbox.commands._inputs import Asked
from spotbox.commands._table import number
from spotbox.core.offers import gpu_text
from spotbox.core.prices import savings_pct
from spotbox.core.records import InstanceType, Offer
from spotbox.core.text import plural
from spotbox.core.units import show_duration, show_usd
from spotbox.core.wishes import Wish

_NO_CAP = "no cap of your own: AWS caps Spot at on-demand"


def show_summary(app: App, wish: Wish, market: Market, asked: Asked, held: Held | None, spot: bool = True) -> None:
    """What will be made, $/h now, at most, $/day, the disk's $/month, and how often AWS takes such boxes.

    For a maximum of the user's own also what share of the last days' hours it would have held. Without `spot` the box
    comes on demand.
    """
    best = wish.offers[0]
    bid, cap, image = asked.bid, wish.bid(best), wish.grounds[best.region].image
    gib_month = app.cloud.disk_price(best.region, wish.disk_type)
    gp3 = gib_month if wish.disk_type == "gp3" or not wish.data else app.cloud.disk_price(best.region, "gp3")
    month = f"{show_usd(gib_month * wish.disk_gib, 2)}/month" if gib_month is not None else "price unknown"
    tried = wish.offers[:1] if asked.park else wish.offers  # a standing request names one pool
    zones = list(dict.fromkeys(offer.zone for offer in tried))
    rows = [
        ("box", f"{wish.name} (owner {wish.owner})"),
        *_pool(wish, asked),
        ("type", _type(best.type)),
        ("where", f"{zones[0]}" + (f", else {', '.join(zones[1:])}" if zones[1:] else "")),
        ("image", f"{image.name} ({image.id}), login {wish.user}"),
        ("disk", f"{wish.disk_gib} GiB {wish.disk_type}, encrypted: {month} while it exists"),
        *_data(wish, gp3),
        *(("checkpoint", f"{local} in {remote}, every 5 minutes") for local, remote in asked.checkpoints),
    ]
    if not spot:
        day = best.on_demand * 24 if best.on_demand else None
        _tell(app, [*rows, ("price", f"{show_usd(best.on_demand)}/h on demand"), ("per day", show_usd(day, 2))])
        return
    rows += _spot_rows(best, cap, market.interruption.get(best.type.name))
    if bid is not None and cap is not None:
        shares = (held or held_by(app, wish.offers)).shares(bid)
        rows.append(("held", f"{bid} would have held {shares} of the last {DAYS} days' hours"))
    if asked.fallback:
        within = f"if Spot has nothing within {show_duration(asked.wait)}"
        rows.append(("otherwise", f"{within}: on demand at {show_usd(best.on_demand)}/h"))
    _tell(app, rows)
    if cap is not None and best.spot is not None and cap < best.spot:
        below = f"your maximum is below the Spot price ({show_usd(best.spot)}): AWS will refuse until it falls"
        _tell(app, [("note", below)])


def _pool(wish: Wish, asked: Asked) -> list[tuple[str, str]]:
    """The row of the pool, where one was chosen."""
    if asked.pool is None:
        return []
    most = f", at most {plural(asked.pool.max_boxes, 'box')}" if asked.pool.max_boxes else ""
    return [("pool", f"{asked.pool.name} ({'on demand' if asked.pool.on_demand else 'on Spot'}{most})")]


def _data(wish: Wish, gib_month: Decimal | None) -> list[tuple[str, str]]:
    """The row of the data volume, where there is to be one: gp3, whatever the root disk is."""
    if wish.data is None:
        return []
    month = f"{show_usd(gib_month * wish.data.size_gib, 2)}/month" if gib_month is not None else "price unknown"
    what = f"kept {wish.data.volume_id}" if wish.data.volume_id else "gp3, encrypted"
    return [("data", f"{wish.data.size_gib} GiB {what}: {month} until `down` without --keep-data")]


def _spot_rows(best: Offer, cap: Decimal | None, rate: str | None) -> list[tuple[str, str]]:
    saved = savings_pct(best.on_demand, best.spot)
    most = f"{show_usd(best.on_demand)}/h ({_NO_CAP})" if cap is None else f"{show_usd(cap)}/h (your maximum)"
    return [
        (
            "price now",
            f"{show_usd(best.spot)}/h Spot, {show_usd(best.on_demand)}/h on-demand"
            + (f", savings {saved:.2f} %" if saved is not None else ""),
        ),
        ("at most", most),
        (
            "per day",
            f"{show_usd(best.spot * 24 if best.spot else None, 2)} at the price now; disk and public IPv4 come on top",
        ),
        ("risk", f"interruption rate {rate or 'unknown'}" + (" last month, all zones together" if rate else "")),
    ]


def _tell(app: App, rows: Sequence[tuple[str, str]]) -> None:
    for label, text in rows:
        app.remark(f"  {label:<10} {text}", hang=13)


def _type(kind: InstanceType) -> str:
    gpu = f"{gpu_text(kind)}, {number(kind.gpu_memory_gib)} GiB; " if kind.gpu else ""
    return f"{kind.name} ({gpu}{kind.vcpus} vCPU, {number(kind.memory_gib)} GiB)"
