"""STS and IAM of the sandbox: who the caller is, and the role that Spot acts under."""

import json
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.sts.responses import TokenResponse

from spotbox.sandbox.allowed import allows, user_of
from spotbox.sandbox.ec2_base import error_body
from spotbox.sandbox.metadata import BOX_TOKEN
from spotbox.sandbox.refusals import Refusal, refusal
from spotbox.sandbox.world import ACCOUNT, World

SPOT_SERVICE = "spot.amazonaws.com"
SPOT_ROLE = "AWSServiceRoleForEC2Spot"


def query_error(code: str, text: str) -> str:
    """An error reply in the XML of the query protocol (IAM, STS)."""
    body = error_body(code, text)
    inner = body[body.index("<Error>") : body.index("</Errors>")].replace("<Error>", "<Error><Type>Sender</Type>")
    return f"<ErrorResponse>{inner}<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"


def make_spot_role() -> Any:
    """The service-linked role of Spot; the one that exists, where it does."""
    backend = iam_backends[ACCOUNT]["aws"]
    for role in backend.roles.values():
        if role.name == SPOT_ROLE:
            return role
    statement = {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"Service": [SPOT_SERVICE]}}
    return backend.create_role(
        SPOT_ROLE,
        json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        f"/aws-service-role/{SPOT_SERVICE}/",
        permissions_boundary=None,
        description="Default EC2 Spot Service Linked Role",
        tags=[],
        max_session_duration="3600",
        linked_service=SPOT_SERVICE,
    )


class SandboxIam(IamResponse):
    """moto's IAM, but for the name of Spot's role and what a second one is told, and the policy simulator."""

    world: World

    def call_action(self) -> Any:
        try:
            return super().call_action()
        except Refusal as refused:
            return refused.http, {"Content-Type": "text/xml"}, query_error(refused.code, refused.message)

    def create_service_linked_role(self) -> Any:
        if self._get_param("AWSServiceName") != SPOT_SERVICE:
            return super().create_service_linked_role()
        if any(role.name == SPOT_ROLE for role in iam_backends[ACCOUNT]["aws"].roles.values()):
            text = f"Service role name {SPOT_ROLE} has been taken in this account, please try a different suffix."
            raise refusal("InvalidInput", text)
        return ActionResult({"Role": make_spot_role()})

    def simulate_principal_policy(self) -> ActionResult:
        """What the caller may do; resources and conditions play no part."""
        actions = self.params.get("ActionNames") or []
        decided = {name: "allowed" if allows(self.world, name) else "implicitDeny" for name in actions}
        rows = [{"EvalActionName": name, "EvalDecision": decision} for name, decision in decided.items()]
        return ActionResult({"EvaluationResults": rows, "IsTruncated": False})

    def attach_user_policy(self) -> Any:
        """The caller's own user is there from the beginning."""
        user_of(self.world)
        return super().attach_user_policy()


class SandboxSts(TokenResponse):
    """moto's STS, with the caller that the sandbox's account has."""

    world: World

    def get_caller_identity(self) -> ActionResult:
        instance = self.headers.get("X-Amz-Security-Token", "").removeprefix(BOX_TOKEN)
        role = self.world.role_of(instance) if instance else None
        if role:  # a program on a box, which signs with the credentials of its metadata
            arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{instance}"
            return ActionResult({"UserId": f"AROASANDBOXSANDBOXSB:{instance}", "Account": ACCOUNT, "Arn": arn})
        user = "AIDASANDBOXSANDBOXSB"
        return ActionResult({"UserId": user, "Account": ACCOUNT, "Arn": self.world.identity})
