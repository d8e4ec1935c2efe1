"""What the caller may do: everything, but for what a test denied and no policy of the caller's user allows again."""

import fnmatch
import json
from typing import Any

from moto.iam.models import iam_backends

from spotbox.sandbox.refusals import Refusal
from spotbox.sandbox.world import ACCOUNT, World

_CODES = {"ec2": ("UnauthorizedOperation", 403), "iam": ("AccessDenied", 403), "sts": ("AccessDenied", 403)}


def user_of(world: World) -> Any:
    """The caller's user in IAM, made where there is none; None for a role or root."""
    kind, _, name = world.identity.split(":", 5)[-1].rpartition("/")
    if not kind.startswith("user"):
        return None
    backend = iam_backends[ACCOUNT]["aws"]
    return next((user for user in backend.users.values() if user.name == name), None) or backend.create_user(
        region_name="us-east-1", user_name=name
    )


def allows(world: World, action: str) -> bool:
    """Whether the caller may do `service:Action`."""
    return action not in world.denied or _by_policy(user_of(world), action)


def _by_policy(user: Any, action: str) -> bool:
    """Whether a policy of the user allows the action on some resource; conditions are not looked at."""
    if user is None:
        return False
    for document in [*map(_document, user.managed_policies.values()), *user.policies.values()]:
        statements = json.loads(document)["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            actions = statement.get("Action") or []
            actions = [actions] if isinstance(actions, str) else actions
            if statement.get("Effect") == "Allow" and any(fnmatch.fnmatchcase(action, word) for word in actions):
                return True
    return False


def _document(policy: Any) -> str:
    return str(next(version.document for version in policy.versions if version.is_default))


def check(world: World, service: str, action: str) -> None:
    """Refuse what the caller may not do, in AWS's words."""
    if not world.denied or allows(world, f"{service}:{action}"):
        return
    code, http = _CODES.get(service, ("AccessDeniedException", 400))
    raise Refusal(
        code,
        f"User: {world.identity} is not authorized to perform: {service}:{action} because no identity-based policy "
        f"allows the {service}:{action} action",
        http,
    )
