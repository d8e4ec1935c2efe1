"""`cost --actual`: what AWS billed, asked of Cost Explorer, which charges for the question: said and asked first."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from spotbox.app import App
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.names import NAME_TAG, OWNER_TAG

CALLS = 2  # the tags, the figures
USD = Decimal("0.01")  # a call (AWS Cost Explorer API pricing)
KEPT = timedelta(days=365)  # Cost Explorer holds thirteen months
_ACTIVATE = (
    "aws ce update-cost-allocation-tags-status --cost-allocation-tags-status "
    f"TagKey={NAME_TAG},Status=Active TagKey={OWNER_TAG},Status=Active"
)


def ask_first(app: App, yes: bool) -> bool:
    """Whether to ask Cost Explorer. UsageError where nobody is there to say so; the sandbox charges nothing."""
    charged = "in the sandbox nothing" if app.sandbox else f"about ${USD * CALLS}"
    app.remark(f"Cost Explorer charges ${USD} for each call; this takes {CALLS}: {charged}")
    if yes or app.sandbox:
        return True
    if not app.prompts.possible:
        raise app.prompts.refuse("-y")
    return app.prompts.confirm("Ask it?", True, "-y")


def billed(app: App, owner: str, names: Collection[str], start: datetime) -> dict[str, Decimal] | None:
    """What was billed since the day of `start`, USD by box name; None, with a remark and its remedy, where AWS does
    not tell."""
    app.progress.glance("asking Cost Explorer")
    now = app.system.now().astimezone(UTC)
    first = max(start.astimezone(UTC), now - KEPT).date()
    try:
        tags = app.cloud.cost_tags()
        if NAME_TAG not in tags:
            app.progress.done()
            app.remark(f"what was billed is not known: {NAME_TAG} is not activated for cost allocation.")
            app.remark(f"  Activate it (it counts from then on, and shows within a day): {_ACTIVATE}")
            return None
        found: dict[str, Decimal] = app.cloud.billed(owner, tags, first, (now + timedelta(days=1)).date())
    except SpotboxError as error:
        app.progress.done()
        app.remark(f"what was billed is not known: {error.message}")
        app.remark(f"  {_remedy(error)}")
        return None
    app.progress.done()
    app.remark(f"billed: by the tag {NAME_TAG}, days (UTC) since {first}, a day late;")
    app.remark("without what AWS relaunched untagged, and without credits.")
    if OWNER_TAG not in tags:
        app.remark(f"billed of every owner's: the tag {OWNER_TAG} is not activated.")
    return {name: usd for name, usd in found.items() if name in names}


def _remedy(error: SpotboxError) -> str:
    if error.exit_code is Exit.DENIED:
        return (
            "Allow ce:ListCostAllocationTags and ce:GetCostAndUsage; in an organisation the management account "
            "decides who sees bills, and activates tags."
        )
    return error.hint
