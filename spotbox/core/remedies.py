"""Command lines that mend what is wrong, quoted so that they can be pasted into a POSIX shell as they stand."""

from collections.abc import Sequence
from dataclasses import dataclass

from spotbox.core.quotas import increase_command
from spotbox.core.records import Identity
from spotbox.core.refusals import ROLE_COMMAND
from spotbox.core.text import shell

POLICY = "spotbox"  # what the policy is named in the account
SPOT_ROLE_ARN = "role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
# What the Spot role needs of a customer managed key (EC2 User Guide, "Service-linked role for Spot Instance requests",
# "Grant access to customer managed keys").
KEY_OPERATIONS = (
    *("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
    *("CreateGrant", "DescribeKey", "ReEncryptFrom", "ReEncryptTo"),
)


@dataclass(frozen=True)
class Remedies:
    """The commands for one user: his AWS profile, the region in question, and who he is, where that is known.

    In the sandbox the AWS CLI is pointed at it for that one line: pasted elsewhere it would act on the real account.
    """

    region: str
    profile: str | None = None
    sandbox: bool = False
    identity: Identity | None = None
    words: Sequence[str] = ()  # common options as they were typed, for spotbox's own commands

    def aws(self, *words: str, region: bool = True) -> str:
        """`aws WORDS`, with region and profile."""
        where = ["--region", self.region] if region else []
        return self._at(shell(["aws", *words, *where, *self._who()]))

    def spotbox(self, command: str, *words: str) -> str:
        """`spotbox COMMAND WORDS` with the common options."""
        return shell(["spotbox", *self.words, command, *words])

    def setting(self, flag: str, value: str) -> str:
        """Sets a flag for this shell, whatever the config file says."""
        return f"export SPOTBOX_{flag.upper().replace('-', '_')}={shell([value])}"

    def default_subnet(self) -> str:
        """Takes a subnet of the default VPC instead of the one that is set."""
        look = self.aws("ec2", "describe-subnets", "--filters", "Name=default-for-az,Values=true",
                        "--query", "Subnets[0].SubnetId", "--output", "text")  # fmt: skip
        return f'export SPOTBOX_SUBNET="$({" " if self.sandbox else ""}{look})"'  # `$((` would be arithmetic

    def role(self) -> str:
        """Makes the Spot service-linked role."""
        return self._at(" ".join([ROLE_COMMAND, *self._quoted()]))

    def quota(self, code: str, vcpus: int) -> str:
        """Asks AWS for a quota of so many vCPU."""
        return self._at(" ".join([increase_command(code, self.region, vcpus), *self._quoted()]))

    def allow(self) -> str:
        """Gives these credentials what `spotbox policy box` prints; only prints it where IAM cannot be told to."""
        who, write = self.identity, "spotbox policy box > spotbox-policy.json"
        if who is None:
            return write
        partition, kind, name = _principal(who.arn)
        if kind not in ("user", "role") or name.startswith("AWSReservedSSO_"):  # those are the organisation's to change
            return write
        arn = f"arn:{partition}:iam::{who.account}:policy/{POLICY}"
        make = f'aws iam create-policy --policy-name {POLICY} --policy-document "$(spotbox policy box)"'
        attach = shell(["aws", "iam", f"attach-{kind}-policy", f"--{kind}-name", name, "--policy-arn", arn])
        return self._at(" && ".join(" ".join([line, *self._quoted()]) for line in (make, attach)))

    def grant(self, key_arn: str) -> str:
        """Lets the Spot service use a customer managed key."""
        whole = key_arn if key_arn.count(":") > 4 else f"arn:aws:kms:{self.region}:ACCOUNT:{key_arn}"
        account = self.identity.account if self.identity else whole.split(":")[4]
        partition = whole.split(":")[1]
        grantee = f"arn:{partition}:iam::{account}:{SPOT_ROLE_ARN}"
        return self.aws("kms", "create-grant", "--key-id", key_arn, "--grantee-principal", grantee,
                        "--operations", *KEY_OPERATIONS)  # fmt: skip

    def log_in(self, kind: str) -> str:
        """The command of the AWS CLI that gives credentials: `configure`, `sso` or `login`."""
        words = {"sso": ["sso", "login"], "login": ["login"]}.get(kind, ["configure"])
        return self._at(shell(["aws", *words, *self._who()]))

    def _who(self) -> list[str]:
        return ["--profile", self.profile] if self.profile and not self.sandbox else []

    def _quoted(self) -> list[str]:
        return [shell(self._who())] if self._who() else []

    def _at(self, line: str) -> str:
        return f'(eval "$(spotbox sandbox env)"; {line})' if self.sandbox else line


def _principal(arn: str) -> tuple[str, str, str]:
    """Partition, `user`, `role` or another kind, and the name without its path (IAM User Guide, "IAM identifiers")."""
    parts = arn.split(":", 5)
    partition, resource = (parts[1], parts[5]) if len(parts) == 6 else ("aws", "")
    kind, _, rest = resource.partition("/")
    if kind == "assumed-role":
        return partition, "role", rest.split("/")[0]
    return partition, kind, rest.rpartition("/")[2]


def policy_source(identity: Identity) -> str | None:
    """The ARN that IAM's policy simulator takes for the caller: a user's, or his role's; None for root and the like.

    A role's path does not stand in the ARN of its session; with one, IAM knows no such role.
    """
    partition, kind, name = _principal(identity.arn)
    if kind == "user":
        return identity.arn
    return f"arn:{partition}:iam::{identity.account}:role/{name}" if kind == "role" else None
