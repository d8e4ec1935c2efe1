import dataclasses
import unicodedata
from typing import get_args

import pytest

from spotbox.core import steps as s
from spotbox.core.records import Rule
from spotbox.core.wishes import Data
from tests.core.worlds import REGION, offer, wish

NASTY = "x\x1b[31m\r\n\u202ey\x9b\u2028"
EXAMPLES = [
    (s.MakeSpotRole(), "make the service-linked role AWSServiceRoleForEC2Spot (once per account, free)"),
    (s.MakeKey(REGION, "spotbox-a-1", "ssh-ed25519 AAAA", {}), "import your public key as spotbox-a-1"),
    (
        s.MakeGroup(REGION, "spotbox-dev-a", "vpc-1", (Rule("192.0.2.1/32"), Rule("2001:db8::/64")), {}),
        "make security group spotbox-dev-a: port 22 from 192.0.2.1/32, 2001:db8::/64",
    ),
    (s.Launch(wish()), "submit a persistent Spot request for g5.xlarge in us-east-1a"),
    (
        s.Launch(wish([offer(), offer(zone="us-east-1b"), offer("g6.xlarge", "us-east-1a")])),
        "submit a persistent Spot request for g5.xlarge in us-east-1a, then us-east-1b, g6.xlarge in us-east-1a",
    ),
    (
        s.Launch(wish([offer(), offer(zone="eu-west-1b"), offer(zone="ap-south-1a")])),
        "submit a persistent Spot request for g5.xlarge in us-east-1a, then eu-west-1b, ap-south-1a "
        "(key and group are made in eu-west-1, ap-south-1 only where it comes to that)",
    ),
    (
        s.Launch(wish([offer(zone=f"us-east-1{letter}") for letter in "abcdefghijk"])),
        "submit a persistent Spot request for g5.xlarge in us-east-1a, then us-east-1b, us-east-1c, us-east-1d, "
        "us-east-1e, us-east-1f, us-east-1g, us-east-1h, us-east-1i, and 2 more",
    ),
    (
        s.Launch(wish([offer(), offer(zone="us-east-1b")]), "on-demand"),
        "where Spot has nothing within --wait: launch on demand g5.xlarge in us-east-1a, then us-east-1b",
    ),
    (s.Park(wish(), offer()), "leave a standing Spot request for g5.xlarge in us-east-1a with AWS"),
    (s.RequireImdsV2(REGION, "i-1"), "require IMDSv2 of i-1, and show it its tags"),
    (s.TagAgain(REGION, ("i-1", "vol-1"), {}), "tag i-1, vol-1 again"),
    (
        s.SetLimit(REGION, ("sir-1", "i-1"), {"spotbox:expires": "2026-11-22T20:00:00Z"}, ("spotbox:idle-stop",)),
        "set spotbox:expires to 2026-11-22T20:00:00Z and remove spotbox:idle-stop on sir-1, i-1",
    ),
    (s.Start(REGION, "i-1"), "start i-1"),
    (s.DeregisterImage(REGION, "ami-1"), "deregister image ami-1 in us-east-1"),
    (s.Stop(REGION, "i-1"), "stop i-1"),
    (s.GrowDisk(REGION, "vol-1", 200), "grow vol-1 to 200 GiB (the file system grows at the next boot)"),
    (
        s.GiveData(REGION, "us-east-1a", "i-1", 200, {}),
        "make a data volume of 200 GiB in us-east-1a and attach it to i-1",
    ),
    (s.GiveData(REGION, "us-east-1a", "i-1", 200, {}, "vol-d"), "attach data volume vol-d (200 GiB) to i-1"),
    (
        s.GiveData(REGION, "us-east-1b", "i-1", 200, {}, None, "vol-d"),
        "move the data volume vol-d to us-east-1b by a snapshot, attach it to i-1, then delete the old volume and the "
        "snapshot",
    ),
    (
        s.Launch(wish(data=Data(200))),
        "submit a persistent Spot request for g5.xlarge in us-east-1a; then make and attach a data volume of 200 GiB",
    ),
    (
        s.Park(wish(data=Data(200, "vol-d")), offer()),
        "leave a standing Spot request for g5.xlarge in us-east-1a with AWS; once it is fulfilled, the next command "
        "will attach its kept data volume vol-d (200 GiB)",
    ),
    (s.Admit(REGION, "sg-1", Rule("192.0.2.1/32")), "admit 192.0.2.1/32 to port 22"),
    (
        s.Admit(REGION, "sg-1", Rule("192.0.2.1/32"), Rule("192.0.2.2/32")),
        "admit 192.0.2.1/32 to port 22 in place of 192.0.2.2/32",
    ),
    (s.Cancel(REGION, ("sir-1", "sir-2")), "cancel Spot request sir-1, sir-2 in us-east-1"),
    (s.Terminate(REGION, ("i-1", "i-2")), "terminate instance i-1, i-2"),
    (s.DeleteVolume(REGION, "vol-1", 9), "delete volume vol-1 (9 GiB) and all that is on it"),
    (s.DeleteSnapshot(REGION, "snap-1", 9), "delete snapshot snap-1 (of a volume of 9 GiB)"),
    (s.KeepVolume(REGION, "vol-1", 9), "keep volume vol-1 (9 GiB); it bills until `down` without --keep-data"),
    (s.DeleteGroup(REGION, "sg-1", "spotbox-dev-a"), "delete security group spotbox-dev-a (sg-1)"),
    (
        s.DeleteKey(REGION, "key-1", "spotbox-a-1"),
        "delete key pair spotbox-a-1 from us-east-1 (the last box there)",
    ),
]


def test_every_kind_of_step_has_an_example_here():
    """No step is added without a sentence that a test holds."""
    assert {type(step) for step, _ in EXAMPLES} == set(get_args(s.Step))


@pytest.mark.parametrize(("step", "sentence"), EXAMPLES, ids=lambda v: type(v).__name__)
def test_the_sentence_of_a_step(step, sentence):
    """What `--dry-run` prints and the user confirms."""
    assert str(step) == sentence


def spoiled(value):
    """The same value with control characters in every text of it."""
    if dataclasses.is_dataclass(value):
        return dataclasses.replace(
            value, **{f.name: spoiled(getattr(value, f.name)) for f in dataclasses.fields(value)}
        )
    if isinstance(value, tuple):
        return tuple(spoiled(item) for item in value)
    if isinstance(value, dict):
        return {spoiled(key): spoiled(item) for key, item in value.items()}
    return value + NASTY if isinstance(value, str) else value


@pytest.mark.parametrize("step", [step for step, _ in EXAMPLES], ids=lambda v: type(v).__name__)
def test_no_sentence_moves_the_cursor(step):
    """Names and ids come from outside; none of their control, format or line characters reaches the sentence."""
    assert not [c for c in str(spoiled(step)) if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")]


@pytest.mark.parametrize("step", [step for step, _ in EXAMPLES[1:]], ids=lambda v: type(v).__name__)
def test_steps_are_frozen(step):
    """A plan that was shown and confirmed cannot change before it is carried out."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(step, dataclasses.fields(step)[0].name, "other")
