"""Names and tags: how a box is recognised, and what every resource of it carries."""

import hashlib
import re
from collections.abc import Mapping, Sequence

from spotbox import __version__
from spotbox.core.errors import UsageError

Tags = Mapping[str, str]  # here and not in records, which `--help` need not load

NAME_TAG, OWNER_TAG, VERSION_TAG = "spotbox:name", "spotbox:owner", "spotbox:version"
EXPIRES_TAG, IDLE_TAG = "spotbox:expires", "spotbox:idle-stop"
POOL_TAG = "spotbox:pool"
# A move: on the box that is to move, where to; on all that is made of it, of which instance, and when that had last
# been launched.
MOVING_TAG, MOVED_TAG, MOVE_ROLE = "spotbox:moving", "spotbox:moved-from", "move"
# On a box that has moved, for good: since when it has been there; AWS forgets what it was before within hours.
SINCE_TAG = "spotbox:since"
# The data volume: its id, where the guard on the box looks for it, and its size; on instance and request.
DATA_TAG, DATA_SIZE_TAG = "spotbox:data-volume", "spotbox:data-size"
# On the copy of a data volume and its snapshot, while it moves to another zone: the volume, and for which instance.
COPY_TAG = "spotbox:copied-from"
USER_TAG, ROLE_TAG, KEEP_TAG, MAX_PRICE_TAG = "spotbox:user", "spotbox:role", "spotbox:keep", "spotbox:max-price"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
# What instance metadata takes as a tag key (EC2 User Guide, "Access tags using instance metadata"): no space, no "/".
_TAG_KEY = re.compile(r"[A-Za-z0-9+\-=.,_:@]{1,128}")
# EC2 tag values: letters, digits, spaces and + - = . _ : / @, up to 256.
_TAG_VALUE = re.compile(r"[\w +\-=.:/@]{0,256}")
# A login of Linux as useradd takes it, and dots; it never starts with a dash.
_LOGIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_OWNER = re.compile(r"[A-Za-z0-9_+=,.@-]{1,128}")


def is_name(text: str) -> bool:
    """Whether this can be the name of a box."""
    return bool(_NAME.fullmatch(text))


def check_name(name: str) -> str:
    """The name itself. UsageError when it is not a box name: [a-z][a-z0-9-]{0,31}."""
    if not is_name(name):
        raise UsageError(
            f"{name!r} is not a box name",
            "Use a lower-case letter, then up to 31 lower-case letters, digits or hyphens, such as dev.",
        )
    return name


def check_owner(owner: str) -> str:
    """The owner itself. UsageError when AWS would not take it as a name (letters, digits and +=,.@_-)."""
    if owner == "all":
        raise UsageError("'all' is nobody's name: it means everyone's", "`status` and `audit` take it; name one here.")
    if not _OWNER.fullmatch(owner):
        raise UsageError(f"{owner!r} is not an owner", "Use letters, digits and +=,.@_- only, such as alice.")
    return owner


def is_login(text: str) -> bool:
    """Whether this can be a login on a box, and so can neither be an option of ssh nor a line of its configuration."""
    return bool(_LOGIN.fullmatch(text))


def check_login(text: str) -> str:
    """The login itself. UsageError when it cannot be one."""
    if not is_login(text):
        raise UsageError(f"{text!r} is not a login", "Use letters, digits and _.- only, such as ubuntu.")
    return text


def parse_tag(text: str) -> tuple[str, str]:
    """Key and value of `K=V`. UsageError for what AWS or instance metadata refuses, and for spotbox's own keys."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"{text!r} is not a tag", "Give it as KEY=VALUE, such as team=vision.")
    if key == "Name" or key.lower().startswith(("spotbox:", "aws:")):
        raise UsageError(
            f"the tag {key!r} is not yours to set", "Name, spotbox:* and aws:* are set by spotbox and AWS."
        )
    if not _TAG_KEY.fullmatch(key) or key in (".", "..", "_index"):
        raise UsageError(
            f"{key!r} cannot be a tag key",
            "Instance metadata takes letters, digits and +-=.,_:@ only: no space, no slash.",
        )
    if not _TAG_VALUE.fullmatch(value):
        raise UsageError(f"{value!r} cannot be a tag value", "Use letters, digits, spaces and +-=._:/@, at most 256.")
    return key, value


def box_tags(name: str, owner: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags of every resource of a box; `extra` are the user's own and those of one kind of resource."""
    own = {NAME_TAG: name, OWNER_TAG: owner, VERSION_TAG: __version__, "Name": f"spotbox-{name}"}
    return {**(extra or {}), **own}


def wire_tags(tags: Tags) -> list[dict[str, str]]:
    """Tags as the API takes them, in a stable order (the order is part of a ClientToken's parameters)."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def group_name(name: str, owner: str) -> str:
    """Name of a box's own security group; EC2 takes a-z A-Z 0-9 and ._-:/()#,@[]+=&;{}!$* and 255 characters."""
    return f"spotbox-{name}-{owner}"


def key_name(owner: str, fingerprint: str) -> str:
    """Name of the owner's key pair; it carries the key's fingerprint so that the private half can be found."""
    return f"spotbox-{owner}-{fingerprint}"


def key_fingerprint(public_key: str) -> str:
    """16 hex digits of the SHA-256 of an OpenSSH public key's blob. UsageError when it is not such a line."""
    import base64

    parts = public_key.split()
    try:
        kind, blob = parts[0], base64.b64decode(parts[1], validate=True)
    except (IndexError, ValueError):  # ValueError: not ASCII, or not base64
        kind, blob = "", b""
    # The blob starts with the length and the name of its own type (RFC 4253, section 6.6).
    if kind not in ("ssh-ed25519", "ssh-rsa") or not blob[4:].startswith(kind.encode()):
        raise UsageError("not an OpenSSH public key of type ed25519 or rsa (EC2 takes no other)", "Give a .pub file.")
    return hashlib.sha256(blob).hexdigest()[:16]


def client_token(
    owner: str, name: str, region: str, zone: str, instance_type: str, market: str, generation: int
) -> str:
    """The launch's idempotency token: the same wish gives the same token, so a repeated launch makes no second box.

    EC2 keeps at most 64 ASCII characters.
    """
    wish = "\0".join((owner, name, region, zone, instance_type, market, str(generation)))
    return hashlib.sha256(wish.encode("utf-8", "surrogatepass")).hexdigest()


def auto_rule(machine: str) -> str:
    """Description of the ingress rule that spotbox keeps for one machine's changing address."""
    return f"spotbox auto {machine}"


def is_auto_rule(description: str, machine: str | None = None) -> bool:
    """Whether a rule was made by spotbox for a machine's own address (of `machine`, or of any)."""
    return description == auto_rule(machine) if machine else description.startswith("spotbox auto ")


def without_own(tags: Tags) -> dict[str, str]:
    """The user's own tags among these."""
    return {k: v for k, v in tags.items() if k != "Name" and not k.lower().startswith(("spotbox:", "aws:"))}


def without_parts(tags: Tags) -> dict[str, str]:
    """Those that all of a box bears: the user's own and its pool, without what is said of one part of it."""
    return {**without_own(tags), **({POOL_TAG: tags[POOL_TAG]} if POOL_TAG in tags else {})}


def without_aws(tags: Tags) -> dict[str, str]:
    """These tags without AWS's own (aws:*), which nobody else can set."""
    return {k: v for k, v in tags.items() if not k.lower().startswith("aws:")}


def join_names(names: Sequence[str]) -> str:
    """`dev`, `dev and train`, `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
