"""What doctor asks of AWS: dry runs, IAM's simulator, the disk key, and all of it in two rounds."""

import threading
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from spotbox.aws import doctor, trial
from spotbox.aws.diskkeys import default_key, disk_key, kept_disk_key
from spotbox.aws.doctor import Want, examine
from spotbox.aws.errors import translate
from spotbox.aws.identity import told_by
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.judge import DiskKey
from spotbox.core.records import Identity
from spotbox.core.remedies import SPOT_ROLE_ARN
from spotbox.store import NoStore, Store
from tests.aws.stubbed import R, aws

ALICE = Identity("123456789012", "arn:aws:iam::123456789012:user/alice", "AIDA")
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234"
ROLE = f"arn:aws:iam::123456789012:{SPOT_ROLE_ARN}"


@pytest.mark.parametrize(
    ("code", "allowed"),
    [("DryRunOperation", True), ("UnauthorizedOperation", False), ("InvalidInstanceID.NotFound", None),
     ("MaxSpotInstanceCountExceeded", None)],
)  # fmt: skip
def test_dry_runs(code, allowed):
    """Only the two documented answers are believed; a quota or an id that is not there tells nothing."""
    with aws(ec2=[("terminate_instances", code)]) as world:
        assert trial.tried(world, R, "terminate_instances", InstanceIds=["i-1"]) is allowed


def test_bad_credentials_are_no_answer():
    """What is wrong with all calls is not taken for a missing permission."""
    with (
        aws(ec2=[("terminate_instances", "AuthFailure")]) as world,
        pytest.raises(SpotboxError, match="credentials"),
    ):
        trial.tried(world, R, "terminate_instances", InstanceIds=["i-1"])


def test_every_dry_run_says_that_it_is_one():
    """Each call carries DryRun, and none that ends something names what could exist."""
    seen = {}

    def note(params, model, **_):
        seen[model.name] = params["body"]
        raise SpotboxError("not sent")

    with aws() as world:
        events = world.client("ec2", R).meta.events
        events.register("before-call.ec2", note)
        try:
            calls = trial.without_resources(world, R)
            calls |= trial.launching(world, R, "alice", "ami-1", "g4dn.xlarge", "subnet-1", "vpc-1")
            for call in calls.values():
                with pytest.raises(SpotboxError, match="not sent"):
                    call()
        finally:
            events.unregister("before-call.ec2", note)
    assert {f"ec2:{name}" for name in seen} == set(calls)
    assert all(body["DryRun"] == "true" for body in seen.values())
    for name in ("TerminateInstances", "StopInstances", "StartInstances"):
        assert seen[name]["InstanceId.1"] == "i-" + "0" * 17
    launch = seen["RunInstances"]
    assert launch["InstanceMarketOptions.SpotOptions.SpotInstanceType"] == "persistent"
    assert "spot-instances-request" in launch.values()


def evaluated(action, decision, *parts):
    specific = [{"EvalResourceName": f"r{i}", "EvalResourceDecision": part} for i, part in enumerate(parts)]
    return {"EvalActionName": action, "EvalDecision": decision, "ResourceSpecificResults": specific}


def test_the_simulator():
    """An action is allowed where it is on any of a box's resources; for root nothing is asked."""
    rows = [
        evaluated("ec2:StopInstances", "allowed"),
        evaluated("ec2:DeleteVolume", "implicitDeny", "implicitDeny", "allowed"),
        evaluated("ec2:CreateTags", "explicitDeny"),
    ]
    actions = ["ec2:StopInstances", "ec2:DeleteVolume", "ec2:CreateTags"]
    expected = {
        "PolicySourceArn": ALICE.arn,
        "ActionNames": actions,
        "ResourceArns": [
            f"arn:aws:ec2:{R}:123456789012:{part}/{'0' * 17}"
            for part in ("instance", "spot-instances-request", "security-group", "key-pair", "volume")
        ],
        "ContextEntries": [],
    }
    with aws(iam=[("simulate_principal_policy", expected, {"EvaluationResults": rows})]) as world:
        assert trial.simulated(world, R, ALICE, actions) == {"ec2:StopInstances", "ec2:DeleteVolume"}
        root = Identity("123456789012", "arn:aws:iam::123456789012:root", "")
        assert trial.simulated(world, R, root, actions) == set(actions)
        other = Identity("123456789012", "arn:aws:sts::123456789012:federated-user/x", "")
        assert trial.simulated(world, R, other, actions) == set()


def test_the_simulator_is_told_of_a_boxs_tags():
    """With an owner it judges what bears his tag, or is made with it."""
    entries = [
        {"ContextKeyName": f"aws:{kind}/spotbox:owner", "ContextKeyType": "string", "ContextKeyValues": ["alice"]}
        for kind in ("ResourceTag", "RequestTag")
    ]
    parts = ("instance", "spot-instances-request", "security-group", "key-pair", "volume")
    expected = {
        "PolicySourceArn": ALICE.arn,
        "ActionNames": ["ec2:StopInstances"],
        "ResourceArns": [f"arn:aws:ec2:{R}:123456789012:{part}/{'0' * 17}" for part in parts],
        "ContextEntries": entries,
    }
    answer = {"EvaluationResults": [evaluated("ec2:StopInstances", "allowed")]}
    with aws(iam=[("simulate_principal_policy", expected, answer)]) as world:
        assert trial.simulated(world, R, ALICE, ["ec2:StopInstances"], "alice") == {"ec2:StopInstances"}


def judged(tries, tagged=(), untagged=()):
    seen = {f"try ec2:{action}": answer for action, answer in tries.items()}
    known = {"simulated": tagged, "simulated untagged": untagged}
    return doctor._permissions(seen | {name: frozenset(f"ec2:{one}" for one in ones) for name, ones in known.items()})


def test_what_only_tags_allow_is_not_denied():
    """Where the simulator allows an action on tagged things alone, a dry run about an untagged one tells nothing."""
    names = ("StopInstances", "RunInstances")
    strict = judged(dict.fromkeys(names, False), tagged=names)
    assert "ec2:StopInstances" in strict.allowed
    assert "ec2:RunInstances" in strict.unknown
    assert not strict.denied


@pytest.mark.parametrize("simulated", [(), ("StopInstances",)])
def test_a_refusal_that_no_tag_explains_stands(simulated):
    """The simulator allows it with the tags and without, or not at all: the dry run is right."""
    found = judged({"StopInstances": False}, simulated, simulated)
    assert "ec2:StopInstances" in found.denied


def test_a_refusal_stands_where_the_simulator_told_half():
    """Whether tags explain it takes both answers of the simulator: where one is missing the dry run is believed."""
    broken = SpotboxError("Throttling")
    seen = {"try ec2:StopInstances": False, "simulated": frozenset({"ec2:StopInstances"}), "simulated untagged": broken}
    for each in (seen, seen | {"simulated": broken, "simulated untagged": frozenset()}):
        assert "ec2:StopInstances" in doctor._permissions(each).denied


def about(manager="CUSTOMER"):
    return ("describe_key", {"KeyId": KEY}, {"KeyMetadata": {"KeyId": "1234", "Arn": KEY, "KeyManager": manager}})


def grants(*principals):
    rows = [{"GranteePrincipal": principal} for principal in principals]
    return ("list_grants", {"KeyId": KEY}, {"Grants": rows})


def policy(text="{}"):
    return ("get_key_policy", {"KeyId": KEY, "PolicyName": "default"}, {"Policy": text})


class Ordered:
    """Aws whose parallel calls come one after the other, as a Stubber wants them."""

    def __init__(self, world):
        self._world = world

    def __getattr__(self, name):
        return getattr(self._world, name)

    def parallel(self, calls, limit=1):
        return self._world.parallel(calls, 1)


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([about(), grants("arn:aws:iam::1:user/x"), policy()], DiskKey(KEY, True, False)),
        ([about(), grants("arn:aws:iam::1:user/x", ROLE), policy()], DiskKey(KEY, True, True)),
        ([about(), grants(), policy(f'{{"AWS": "{ROLE}"}}')], DiskKey(KEY, True, True)),
        ([about("AWS"), grants(), policy()], DiskKey("alias/aws/ebs")),
    ],
)
def test_the_disk_key(calls, found):
    """A grant or the key's own policy lets the Spot role use it; AWS's own key needs neither."""
    with aws(kms=calls) as world:
        assert disk_key(Ordered(world), R, KEY) == found


def test_a_disk_key_that_cannot_be_looked_at():
    """Unknown, with the reason; what AWS did tell counts."""
    with aws(kms=[about(), ("list_grants", "AccessDeniedException"), policy()]) as world:
        found = disk_key(Ordered(world), R, KEY)
    assert (found.customer, found.usable) == (True, None)
    assert "kms:ListGrants" in found.why
    with aws(kms=[("describe_key", "AccessDeniedException"), grants(), policy()]) as world:
        assert disk_key(Ordered(world), R, KEY).usable is None  # it may be AWS's own
    with aws() as world:
        assert disk_key(world, R, "alias/aws/ebs") == DiskKey("alias/aws/ebs")


def test_a_disk_key_in_order_is_asked_for_once_a_day(tmp_path):
    """`up` asks at most one call, and none on the same day; what is wrong is asked for again."""
    answer = {"KmsKeyId": "alias/aws/ebs"}
    store = Store(tmp_path, lambda: datetime(2026, 11, 22, tzinfo=UTC))
    with aws(ec2=[("get_ebs_default_kms_key_id", {}, answer)]) as world:
        assert kept_disk_key(world, store, R).usable
        assert kept_disk_key(world, store, R).usable
    later = Store(tmp_path, lambda: datetime(2026, 11, 24, tzinfo=UTC))
    custom = ("get_ebs_default_kms_key_id", {}, {"KmsKeyId": KEY})
    with aws(ec2=[custom, custom], kms=[about(), grants(), policy()] * 2) as world:
        assert kept_disk_key(Ordered(world), later, R).usable is False
        assert kept_disk_key(Ordered(world), later, R).usable is False


def test_an_answer_without_a_key_is_awss_own():
    """An account that never chose one."""
    with aws(ec2=[("get_ebs_default_kms_key_id", {}, {})]) as world:
        assert default_key(world, R) == "alias/aws/ebs"


def test_the_time_of_a_refusal():
    """A clock that is far off is refused, and the refusal carries AWS's time."""
    headers = {"date": "Sun, 22 Nov 2026 12:00:00 GMT"}
    meta = {"HTTPStatusCode": 403, "HTTPHeaders": headers}
    refused = ClientError({"Error": {"Code": "SignatureDoesNotMatch"}, "ResponseMetadata": meta}, "GetCallerIdentity")
    assert told_by(translate(refused)) == datetime(2026, 11, 22, 12, tzinfo=UTC)
    headers["date"] = "soon"
    assert told_by(translate(refused)) is None
    assert told_by(SpotboxError("x")) is None


class Rounds:
    """Aws that counts the rounds of parallel calls, and the calls of each."""

    def __init__(self, world):
        self._world, self.rounds, self._inside = world, [], threading.local()

    def __getattr__(self, name):
        return getattr(self._world, name)

    def parallel(self, calls, limit=16):
        if threading.current_thread() is threading.main_thread():
            self.rounds.append(len(calls))
        return self._world.parallel(calls, limit)


def test_without_an_answer_nothing_more_is_asked():
    """Where AWS cannot be reached the first round is the last, and everything is a SpotboxError in its place."""
    with aws() as world:
        counted = Rounds(world)
        for client in ("sts", "ec2", "iam", "ssm", "service-quotas"):
            world.client(client, R).meta.events.register("before-send", _nobody)
        try:
            found = examine(counted, NoStore(), Want(R, ("g4dn.xlarge",), "dlami", None, ""))
        finally:
            for client in ("sts", "ec2", "iam", "ssm", "service-quotas"):
                world.client(client, R).meta.events.unregister("before-send", _nobody)
    assert isinstance(found.who, SpotboxError)
    assert len(counted.rounds) == 1


def _nobody(request, **_):
    from botocore.awsrequest import AWSResponse

    class Raw:
        def stream(self, **_):
            return [b""]

    return AWSResponse(request.url, 403, {}, Raw())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(SpotboxError("slow down", code="RequestLimitExceeded"), "unknown"), (SpotboxError("no network"), "unknown"),
     (SpotboxError("no", "", Exit.DENIED, "UnauthorizedOperation"), "denied"), (UsageError("no image"), "allowed")],
)  # fmt: skip
def test_a_look_that_failed_allows_nothing(answer, kind):
    """Only one that AWS answered is allowed: of what was throttled or not reached nothing is known."""
    none = {"simulated": frozenset(), "simulated untagged": frozenset()}
    assert "ec2:DescribeImages" in getattr(doctor._permissions({**none, "image": answer}), kind)


def test_names_of_arm_types():
    """Graviton's families have a g behind the generation; g5g is one, g4dn, gr6 and g6e are none."""
    arm = ["g5g.xlarge", "p6e-gb200.36xlarge", "t4g.small", "m7gd.large"]
    other = ["g4dn.xlarge", "g6e.xlarge", "gr6.4xlarge", "p5.48xlarge"]
    assert [name for name in arm + other if doctor._GRAVITON.match(name)] == arm
