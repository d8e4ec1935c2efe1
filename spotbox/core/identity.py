"""The owner of boxes, from who the credentials belong to."""

import re

from spotbox.core.records import Identity

# Session names that an SDK, an instance or a clock made up; they change from run to run.
_GENERATED = re.compile(r"botocore-session-.*|i-.*|\d+")
_UNFIT = re.compile(r"[^A-Za-z0-9_+=,.@-]")  # IAM's own alphabet for user and session names (IAM quotas, "Name limits")


def owner_from(identity: Identity) -> str:
    """The IAM user's name; for an assumed role its session name, or the role's where the session's was generated.

    ARN shapes: IAM User Guide, "IAM identifiers". The account's root user is `root`. What is of no known shape gives
    its last part; characters that no name can have become `-`.
    """
    kind, _, rest = identity.arn.split(":", 5)[-1].partition("/")
    name = rest.rpartition("/")[2] or kind
    if kind == "assumed-role" and _GENERATED.fullmatch(name):
        name = rest.partition("/")[0]
    return _UNFIT.sub("-", name)[:128] or "unknown"
