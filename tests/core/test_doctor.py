"""Judgements that the commands' tests do not reach: odd clocks, keys and images; the machine."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from spotbox.core import doctor, judge, machine
from spotbox.core.doctor import Status
from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.core.judge import Key
from spotbox.core.remedies import Remedies
from tests.commands.world import IMAGE, T4, public_key

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WITH = Remedies("us-east-1")


@pytest.mark.parametrize(
    ("off", "status", "words"),
    [(0, "ok", "agrees"), (59, "ok", "agrees"), (-61, "warn", "61 s behind"), (61, "warn", "61 s ahead of"),
     (600, "warn", "600 s ahead of"), (900, "fail", "900 s ahead of"), (-9000, "fail", "9000 s behind")],
)  # fmt: skip
def test_the_clock(off, status, words):
    """A minute is told, a quarter of an hour fails as a matter of credentials."""
    check = judge.clock(NOW + timedelta(seconds=off), NOW, "linux")
    assert (check.status, check.exit if status == "fail" else Exit.DENIED) == (status, Exit.DENIED)
    assert words in check.detail
    assert judge.clock(NOW, None, "linux").status is Status.WARN
    assert "sntp" in judge.clock(NOW, NOW + timedelta(hours=1), "darwin").remedy


def test_the_exit_code_of_nothing():
    """Warnings alone are no failure."""
    assert doctor.exit_code([doctor.ok("a", ""), doctor.warn("b", "")]) is Exit.DONE
    assert doctor.exit_code([doctor.fail("a", "", "x", Exit.USAGE)]) is Exit.FAILED


def test_refuse():
    """What fails is an error with its remedy; what warns is none."""
    doctor.warn("a", "b", "c").refuse()
    with pytest.raises(SpotboxError, match="b") as caught:
        doctor.fail("a", "b", "c", Exit.QUOTA).refuse("; or d")
    assert (caught.value.hint, caught.value.exit_code) == ("Mend it with: c; or d", Exit.QUOTA)


def test_no_network_is_not_a_matter_of_credentials():
    """Exit 1: AWS was not reached, so nothing is known of them."""
    check = judge.credentials(SpotboxError("AWS cannot be reached", exit_code=Exit.FAILED), "", "sso", WITH)
    assert (check.status, check.exit) == (Status.FAIL, Exit.FAILED)
    assert check.remedy == "aws sts get-caller-identity --region us-east-1"


@pytest.mark.parametrize(
    ("code", "status"),
    [("PendingVerification", "fail"), ("OptInRequired", "fail"), ("AuthFailure", "fail"), ("ExpiredToken", "fail"),
     ("UnauthorizedOperation", "warn"), ("SomethingNew", "warn")],
)  # fmt: skip
def test_an_account_that_aws_refuses(code, status):
    """What no policy mends, and stops `up` too, fails with exit 5; a look that is not permitted only tells nothing."""
    check = doctor.not_known("network", SpotboxError("not now", "Ask AWS.", Exit.DENIED, code), WITH)
    assert check.status == status
    if status == "fail":
        assert (check.exit, check.detail, "policy" in check.remedy) == (Exit.DENIED, "not now; Ask AWS.", False)


def test_a_deprecated_image():
    """It launches still, and is told."""
    old = replace(IMAGE, deprecated="2026-11-01T00:00:00.000Z")
    assert judge.image(old, "ami-1", [T4], NOW, WITH).status is Status.WARN
    new = replace(IMAGE, deprecated="2028-11-01T00:00:00.000Z")
    assert judge.image(new, "ami-1", [T4], NOW, WITH).status is Status.OK
    assert judge.image(UsageError("no such image"), "x", [], NOW, WITH).status is Status.FAIL
    assert judge.image(SpotboxError("no network"), "x", [], NOW, WITH).status is Status.WARN


def test_a_key_file_that_is_none():
    """The command makes a pair there; a path with spaces is one word."""
    check = judge.key(Key("", "", "/my keys/id", False, UsageError("cannot read")), "", WITH)
    assert check.remedy == "ssh-keygen -q -t ed25519 -N '' -f '/my keys/id'"
    check = judge.key(Key("", "", "/my keys/id", True, UsageError("cannot read")), "", WITH)
    assert check.remedy == "ssh-keygen -y -f '/my keys/id' > '/my keys/id.pub'"  # the private half is there, and stays


def test_a_key_file_that_is_something_else():
    """It is left alone: the command makes a pair in another place, and looks at that."""
    check = judge.key(Key("", "", "/h/.ssh/new", trouble=UsageError("more than one line"), elsewhere=True), "", WITH)
    assert check.remedy == "ssh-keygen -q -t ed25519 -N '' -f /h/.ssh/new && spotbox doctor --key /h/.ssh/new.pub"


def test_a_private_half_elsewhere():
    """`ssh` works by Instance Connect; a new pair does not throw the old public half away."""
    check = judge.key(Key("n", public_key(), "/k/id", held=False), "", WITH)
    assert check.status is Status.WARN
    assert check.remedy.startswith("mv -- /k/id.pub /k/id.pub.old && ssh-keygen")


def test_a_pair_whose_public_half_aws_does_not_show():
    """That it cannot be compared is told, and is no failure."""
    mine = Key("spotbox-a-1", public_key(), "/k/id")
    assert judge.key(mine, None, WITH).status is Status.WARN


@pytest.mark.parametrize(("platform", "installer", "remedy"), [
    ("linux", "apt-get", "sudo apt-get install -y openssh-client"),
    ("linux", "dnf", "sudo dnf install -y openssh-clients"),
    ("darwin", "", "brew install openssh"), ("linux", "", "sudo apt-get install -y openssh-client"),
])  # fmt: skip
def test_no_ssh(platform, installer, remedy):
    """What installs it depends on what this machine installs with."""
    check = machine.ssh("", ["ssh", "ssh-keygen"], platform, installer)
    assert (check.status, check.detail) == (Status.FAIL, "ssh and ssh-keygen not found on this machine")
    assert check.remedy == remedy


@pytest.mark.parametrize(("said", "status"), [("OpenSSH_9.6p1 Ubuntu-3", "ok"), ("OpenSSH_7.6p1", "ok"),
    ("OpenSSH_7.5p1", "warn"), ("Dropbear v2022.83", "warn"), ("", "warn"),
    ("OpenSSH_for_Windows_9.5p1", "ok")])  # fmt: skip
def test_versions_of_ssh(said, status):
    """7.6 is the first that takes a new host key and refuses a changed one."""
    assert machine.ssh(said, [], "linux", "").status == status
