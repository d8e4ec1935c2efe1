"""A box as the user and a script read it: the keys of the contract, each absent thing null."""

from decimal import Decimal
from typing import Any

from spotbox.core.boxes import Box
from spotbox.core.explain import Explanation
from spotbox.core.records import Volume
from spotbox.core.text import safe

KEYS = (
    "name", "owner", "region", "zone", "instance_type", "gpu", "market", "state", "reason", "status_code",
    "request_id", "request_state", "instance_id", "instance_state", "public_ip", "ami", "max_price", "spot",
    "on_demand", "savings_pct", "created_at", "expires_at", "volumes", "untagged", "ssh",
)  # fmt: skip


def number(value: Decimal | None) -> float | None:
    """A Decimal as JSON has it."""
    return None if value is None else float(value)


def box_record(box: Box, gpu: str | None, savings_pct: Decimal | None, ssh: str | None) -> dict[str, Any]:
    """The Box of the contract, in the contract's key order."""
    request, instance = box.request, box.instance
    record = {
        "name": box.name,
        "owner": box.owner,
        "region": box.region,
        "zone": box.zone,
        "instance_type": box.instance_type,
        "gpu": gpu,
        "market": box.market,
        "state": str(box.state),
        "reason": box.reason or None,
        "status_code": request.code if request else None,
        "request_id": request.id if request else None,
        "request_state": request.state if request else None,
        "instance_id": instance.id if instance else None,
        "instance_state": instance.state if instance else None,
        "public_ip": instance.public_ip if instance else None,
        "ami": instance.image_id if instance else None,
        "max_price": number(box.max_price),
        "spot": number(box.spot),
        "on_demand": number(box.on_demand),
        "savings_pct": number(savings_pct),
        "created_at": box.created.isoformat() if box.created else None,
        "expires_at": box.tags.get("spotbox:expires"),
        "volumes": [volume_record(v) for v in box.volumes],
        "untagged": list(box.untagged),
        "ssh": ssh,
    }
    assert tuple(record) == KEYS  # noqa: S101 - the contract's order, checked where it is made
    return record


def volume_record(volume: Volume) -> dict[str, Any]:
    """A volume of a box: id, size in GiB, type, device, and whether it is the data volume."""
    return {
        "id": volume.id,
        "size_gib": volume.size_gib,
        "type": volume.type,
        "device": volume.device,
        "data": volume.tags.get("spotbox:role") == "data",
    }


def full_lines(
    record: dict[str, Any], why: Explanation | None = None, idle_stop: str | None = None, pool: str | None = None
) -> list[tuple[str, str]]:
    """One box in full: (label, value) rows for a terminal; absent things are left out, text from AWS is made safe.

    With `why` the explanation stands in place of the reason; `idle_stop` and `pool` have no key in the contract.
    """
    rows = []
    for key, value in record.items():
        if key == "volumes" and idle_stop:
            rows.append(("idle stop", safe(idle_stop)))
        if key == "state" and pool:
            rows.append(("pool", safe(pool)))
        if key == "reason" and why is not None:
            rows += [(label, safe(text)) for label, text in why.lines()]
        elif value not in (None, [], ()):
            rows += _rows(key, value)
    return rows


def _rows(key: str, value: Any) -> list[tuple[str, str]]:
    label = key.replace("_", " ")
    match key:
        case "volumes":
            return [
                (
                    "data" if v["data"] else "volume",
                    safe(f"{v['id']}  {v['size_gib']} GiB {v['type']}  {v['device'] or 'detached'}"),
                )
                for v in value
            ]
        case "spot" | "on_demand" | "max_price":
            return [(label, f"${value:.4f}/h")]
        case "savings_pct":
            return [("savings", f"{value:.2f} %")]
        case "untagged":
            return [(label, safe(", ".join(value)))]
        case _:
            return [(label, safe(value))]
