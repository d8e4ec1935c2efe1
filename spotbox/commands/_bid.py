"""What a bid would have been worth: the share of the past days' hours in which it would have held."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from spotbox.app import App
from spotbox.core.errors import SpotboxError
from spotbox.core.history import History, Pool
from spotbox.core.records import Offer
from spotbox.core.units import Bid

DAYS = 30
_NAMED = 3  # pools; of more the least and the most is told


@dataclass(frozen=True)
class Held:
    """The past of the pools that are to be tried."""

    offers: Sequence[Offer]
    history: History
    start: datetime
    end: datetime

    def share(self, offer: Offer, bid: Bid) -> Decimal | None:
        """Percent of the hours whose price is known; None where none is, or the bid hangs on what is unknown."""
        series = self.history.series(Pool(offer.type.name, offer.zone, offer.region))
        return series.held(bid.most(offer.on_demand), self.start, self.end)

    def told(self, bid: Bid) -> str:
        """One line: `0.25 would have held 97.1 % of the last 30 days' hours in us-east-1a, ...`."""
        return f"{bid} would have held {self.shares(bid)} of the last {DAYS} days' hours"

    def shares(self, bid: Bid) -> str:
        """`97.1 % (us-east-1a), unknown (us-east-1b)`; of many the best and the worst."""
        found = [(offer, self.share(offer, bid)) for offer in self.offers]
        one_type = len({offer.type.name for offer in self.offers}) == 1
        if len(found) <= _NAMED:
            return ", ".join(f"{_percent(share)} ({_pool(offer, one_type)})" for offer, share in found)
        known = [(share, offer) for offer, share in found if share is not None]
        of = f"of {len(found)} {'zones' if one_type else 'pools'}"
        if not known:
            return f"unknown ({of})"
        best, worst = (extreme(known, key=lambda pair: pair[0]) for extreme in (max, min))
        if best[0] == worst[0] and len(known) == len(found):
            return f"{_percent(best[0])} (each {of})"
        said = " to ".join(f"{_percent(share)} ({_pool(offer, one_type)})" for share, offer in (best, worst))
        unknown = f", unknown in {len(found) - len(known)}" if len(known) < len(found) else ""
        return f"{said}, {of}{unknown},"


def _percent(share: Decimal | None) -> str:
    return "unknown" if share is None else f"{share} %"


def _pool(offer: Offer, one_type: bool) -> str:
    return offer.zone if one_type else f"{offer.type.name} in {offer.zone}"


def held_by(app: App, offers: Sequence[Offer]) -> Held:
    """The past of these pools. Never fatal: what cannot be had is unknown, and a remark says why."""
    end = app.system.now()
    held = Held(offers, History(), end - timedelta(days=DAYS), end)
    regions = list(dict.fromkeys(offer.region for offer in offers))
    app.progress.glance(f"reading the last {DAYS} days' prices")
    try:
        types = sorted({offer.type.name for offer in offers})
        failed = app.cloud.spot_history(regions, types, held.start, held.history.add, app.progress.glance)
        why = [error.message for error in failed.values()]
    except SpotboxError as error:
        why = [error.message]
    app.progress.done()
    for each in why:
        app.remark(f"what a bid would have held is unknown: {each}")
    return held
