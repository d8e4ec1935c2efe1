"""botocore's session as spotbox sets it up: the same answers, sooner."""

import gc
import re
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.loaders import Loader

import spotbox.aws
from spotbox.aws.cloud import Cloud
from spotbox.aws.hands import Hands
from spotbox.aws.session import Aws, uncollected
from spotbox.aws.sessions import EC2_OPERATIONS, QuickLoader, _time
from spotbox.store import Store
from tests.aws.endpoint import KEYS, endpoint


def sealed():
    return Aws(region="us-east-1", endpoint="http://127.0.0.1:9", keys=KEYS)


def test_a_brisk_client_gives_up_soon():
    """Reading many regions at once, a call takes at most two attempts of seconds; another client has more patience."""
    aws = sealed()
    brisk, other = aws.client("ec2", brisk=True).meta.config, aws.client("ec2").meta.config
    assert (brisk.connect_timeout, brisk.read_timeout, brisk.retries["total_max_attempts"]) == (3, 8, 2)
    assert other.read_timeout > brisk.read_timeout
    assert other.retries["total_max_attempts"] == 5
    assert aws.client("ec2", brisk=True) is aws.client("ec2", "us-east-1", brisk=True)


def test_clients_are_made_ahead():
    """Clients that will be wanted are made while the caller waits, until it says that it needs no more."""
    aws = sealed()
    aws.make_ahead([("ec2", "eu-west-1"), ("pricing", "us-east-1"), ("nosuch", "x")])
    end = time.monotonic() + 20
    while len(aws._clients) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    made = dict(aws._clients)
    assert {key[:2] for key in made} == {("ec2", "eu-west-1"), ("pricing", "us-east-1")}
    assert aws.client("ec2", "eu-west-1", brisk=True) in made.values()
    aws.make_no_more()


STS = """<R><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/ann</Arn><Account>1</Account><UserId>A</UserId>
</GetCallerIdentityResult></R>"""


@pytest.mark.parametrize("kept", [("us-east-1", "eu-west-1"), ()])
def test_clients_are_made_while_the_identity_is_asked_for(tmp_path, kept):
    """While STS answers, EC2's clients are made for the regions known from before; where none are, for none."""
    store = Store(tmp_path)

    def answer(asked):
        end = time.monotonic() + (20 if kept else 0.2)
        while time.monotonic() < end and len(aws._clients) < 1 + len(kept):
            time.sleep(0.01)
        return 200, STS

    with endpoint(answer) as world:
        aws = world.aws()
        regions = dict.fromkeys(kept, "opt-in-not-required")
        entry = {"asked": store.stamp(), "regions": {**regions, "af-south-1": "not-opted-in"} if kept else {}}
        store.update("regions", lambda _: {f"{aws.account_mark()}-us-east-1": entry})
        cloud = Cloud(Hands(aws, time.sleep, time.monotonic), store)
        assert cloud.identity().arn == "arn:aws:iam::1:user/ann"
    assert set(aws._clients) == {("sts", "us-east-1", False, False), *(("ec2", each, False, False) for each in kept)}


def test_the_collector_runs_on_afterwards():
    """The garbage collector is off only while clients are made, also within each other and after an error."""

    def made(fails):
        with uncollected():
            with uncollected():
                assert not gc.isenabled()
            assert not gc.isenabled()
            if fails:
                raise KeyError

    made(fails=False)
    assert gc.isenabled()
    with pytest.raises(KeyError):
        made(fails=True)
    assert gc.isenabled()


def test_whoever_registers_hears():
    """Handlers of the session and of a client hear each call of their service, also by a service's old name."""
    heard = []
    with endpoint(lambda asked: (200, STS)) as world:
        aws = world.aws()
        session = aws._made_session()
        session.register("before-call.sts", lambda **_: heard.append("session"))
        session.register("before-call.ssm", lambda **_: heard.append("another service"))
        session.register("greeted.runtime.sagemaker", lambda **_: heard.append("old name"))
        session.register("docs.greeted", lambda **_: heard.append("documentation"))
        client = aws.client("sts")
        client.meta.events.register("before-send", lambda event_name, **_: heard.append(event_name))
        client.get_caller_identity()
        for name in ("greeted.sagemaker-runtime", "docs.greeted"):
            client.meta.events.emit(name)
    assert heard == ["session", "before-send.sts.GetCallerIdentity", "old name"]


def test_clients_name_events_as_they_are_today():
    """No event of a service that is called has an old name: there is nothing for botocore to translate."""
    emitted, inner, aws = [], HierarchicalEmitter(), sealed()
    inner.register("before-call", lambda event_name, **_: emitted.append(event_name))
    translated = EventAliaser(inner)
    files = "".join(path.read_text() for path in Path(spotbox.aws.__path__[0]).glob("*.py"))
    services = sorted({"ec2", *re.findall(r'client\("([a-z0-9-]+)"', files)})
    assert len(services) >= 13
    names = [f"before-call.{aws.client(each).meta.service_model.service_id.hyphenize()}.Do" for each in services]
    for name in names:
        translated.emit(name)
    assert emitted == names
    translated.emit("before-call.runtime.sagemaker.Do")
    assert emitted[-1] == "before-call.sagemaker-runtime.Do"


def test_the_loader_finds_what_botocores_finds():
    """Every service that botocore lists is found, with the same model, and what is none is refused as by botocore."""
    quick, slow = QuickLoader(), Loader()
    assert set(slow.list_available_services("service-2")) <= set(quick.list_available_services("service-2"))
    for service, kind in (("pricing", "service-2"), ("service-quotas", "paginators-1")):
        assert quick.load_service_model(service, kind) == slow.load_service_model(service, kind)
    for loader in (quick, slow):
        with pytest.raises(Exception, match="nosuch"):
            loader.load_service_model("nosuch", "service-2")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-22T10:00:00.000Z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T10:00:00Z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T10:00:00.123456Z", datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-22T12:00:00+02:00", datetime(2026, 11, 22, 12, tzinfo=timezone(timedelta(hours=2)))),
        ("Sun, 22 Nov 2026 10:00:00 GMT", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        (1795341600, datetime.fromtimestamp(1795341600, UTC)),
        ("1795341600.5", datetime.fromtimestamp(1795341600.5, UTC)),
    ],
)
def test_times(text, at):
    """Times of every form that AWS sends are read as botocore reads them, with their zone."""
    assert _time(text) == at
    assert _time(text).tzinfo is not None


def test_ec2_has_the_operations_that_are_called():
    """Each operation of EC2 whose method the code names is kept, and none that nobody calls."""
    words = set(
        re.findall(r"[a-z_0-9]+", "".join(path.read_text() for path in Path(spotbox.aws.__path__[0]).glob("*.py")))
    )
    model = botocore.session.get_session().get_service_model("ec2")
    assert {name for name in model.operation_names if xform_name(name) in words} == EC2_OPERATIONS
    assert set(sealed().client("ec2").meta.service_model.operation_names) == EC2_OPERATIONS


@pytest.mark.parametrize(("service", "operation", "body", "changes"), [
    ("ec2", "DescribeInstances", {}, False), ("sts", "GetCallerIdentity", {}, False),
    ("ec2", "RunInstances", {"DryRun": "true"}, False), ("ec2", "RunInstances", {}, True),
    ("ec2", "CreateTags", {"DryRun": "false"}, True), ("sagemaker", "CreateTrainingJob", b"{}", True),
])  # fmt: skip
def test_what_changes_something_is_known(service, operation, body, changes):
    """Each client tells of the calls that are not of reading, so that Ctrl-C can say whether anything was changed."""
    aws = sealed()
    client = aws.client(service)
    assert not aws.changed
    model = client.meta.service_model.operation_model(operation)
    client.meta.events.emit(
        f"before-call.{service}.{operation}", model=model, params={"body": body}, request_signer=None
    )
    assert (aws.changed, Cloud(Hands(aws, time.sleep, time.monotonic)).changed) == (changes, changes)


def test_a_change_is_not_forgotten_for_a_call_beside_it():
    """Calls are made side by side: one of reading that is noted meanwhile takes nothing back."""
    aws = sealed()
    model = aws.client("ec2").meta.service_model

    class Meanwhile:
        """The name of a call of reading, while whose note is made another call changes something."""

        name = "DescribeInstances"

        def __getattribute__(self, attribute):
            aws._note(model.operation_model("RunInstances"), {"body": {}})
            return object.__getattribute__(self, attribute)

    aws._note(Meanwhile(), {"body": {}})
    assert aws.changed
