"""`up` with flags on a box that exists: what it follows, what is carried out, and what is named as different."""

from dataclasses import replace

import pytest

from spotbox.core.names import MAX_PRICE_TAG
from tests.commands.fakes import state
from tests.commands.world import public_key

DIFFERENT = [
    (["-t", "g5.xlarge"], "dev is a g4dn.xlarge, not g5.xlarge; to make it one: spotbox move dev -t g5.xlarge"),
    (["-z", "us-east-1b"], "dev is in us-east-1a, not us-east-1b; to take it there: spotbox move dev -z us-east-1b"),
    (["--max-price", "0.30"], "the maximum price of dev is on-demand, not 0.30; a Spot request cannot be changed"),
    (["--disk-size", "80"], "the disk of dev is 100 GiB; EBS cannot make it smaller"),
    (["--ami", "pytorch"], "--ami counts at the first launch only"),
    (["--subnet", "subnet-1"], "--subnet counts at the first launch only"),
    (["--iam-profile", "p"], "--iam-profile counts at the first launch only"),
    (["--disk-type", "io2"], "the disk of dev is gp3, not io2"),
    (["--ssh-user", "root"], "--ssh-user counts at the first launch only"),
    (["--gpu", "A10G"], "--gpu counts at the first launch only"),
    (["--min-vram", "24"], "--min-vram counts at the first launch only"),
]


@pytest.mark.parametrize("flags", [
    ["--gpu", "T4"], ["--gpu", "T*"], ["--min-vram", "16"], ["--ssh-user", "ubuntu"], ["--ami", "ami-1"],
    ["--ami", "dlami"],
    ["--max-price", "60%"], ["--key", "k.pub"],
], ids=lambda flags: flags[0] + " " + flags[1])  # fmt: skip
def test_a_flag_that_the_box_follows_already_needs_no_word(user, tmp_path, monkeypatch, flags):
    """The one-line command that made the box says of no flag that it cannot be changed: none differs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k.pub").write_text(public_key() + "\n")
    user.world.has_box("dev")
    if "60%" in flags:
        for part, id_ in ((user.world.requests, "sir-1"), (user.world.instances, "i-1")):
            part[id_] = replace(part[id_], tags={**part[id_].tags, MAX_PRICE_TAG: "0.3156"})
    said = user.run("up", "-y", *flags)
    assert (said.code, state(user.world)) == (0, "running")
    assert "cannot be changed" not in said.err


PYTORCH = "Deep Learning OSS Nvidia Driver AMI GPU PyTorch 2.{} (Ubuntu 24.04) 2026{}01"


def test_the_box_is_compared_with_what_an_alias_names(user):
    """An alias is the image that it names: of that very one nothing is said, and the line at the end repeats it."""
    user.world.image = replace(user.world.image, name=PYTORCH.format(8, "01"))
    user.world.published["pytorch"] = user.world.image
    user.world.has_box("dev")
    said = user.run("up", "-y", "--ami", "pytorch")
    assert (said.code, "pytorch" in said.err) == (0, False)
    assert "--ami pytorch " in said.out.splitlines()[-1]
    assert "--ami ami-1 " in user.run("up", "-y", "--ami", "ami-1").out.splitlines()[-1]


def test_an_alias_that_has_moved_on_is_told_as_that(user):
    """A newer image of the alias since: the box's own is named, and the new one; the line at the end repeats none."""
    old = user.world.image = replace(user.world.image, name=PYTORCH.format(8, "01"), created="2026-01-01T00:00:00Z")
    user.world.published["pytorch"] = replace(
        old, id="ami-9", name=PYTORCH.format(9, "02"), created="2026-02-01T00:00:00Z"
    )
    user.world.has_box("dev")
    said = user.run("up", "-y", "--ami", "pytorch")
    assert f"dev was made of {old.name} (ami-1), and pytorch has moved on to ami-9 since; a Spot request" in said.err
    assert "--ami" not in said.out
    del user.world.published["pytorch"]
    user.world.image = replace(old, id="ami-9")  # and the box's own is withdrawn: what it was, nobody can tell
    said = user.run("up", "-y", "--ami", "pytorch")
    assert "dev was made of ami-1, and pytorch is ami-9: --ami counts at the first launch only; " in said.err


def test_an_alias_that_nobody_can_look_up_is_no_error(user):
    """A box is brought up whether or not AWS tells what an alias names; a word that is no image is a usage error."""
    user.world.has_box("dev", "stopped")
    user.world.refuses("DescribeImages", "UnauthorizedOperation", http=403)
    said = user.run("up", "-y", "--ami", "pytorch")
    assert (said.code, state(user.world)) == (0, "running")
    assert "whether dev was made of pytorch could not be found out: " in said.err
    assert user.run("up", "-y", "--ami", "pytoch").code == 2


@pytest.mark.parametrize(("text", "code"), [(None, 2), ("no key", 2), (public_key("x"), 0)])
def test_the_key_file_of_a_box_that_exists(user, tmp_path, text, code):
    """A key file that cannot be read, or holds no key, is a usage error as for a new box; another key is named."""
    user.world.has_box("dev")
    if text:
        (tmp_path / "k.pub").write_text(text + "\n")
    said = user.run("up", "-y", "--key", str(tmp_path / "k.pub"))
    assert said.code == code
    assert ("--key counts at the first launch only" in said.err) is (code == 0)


@pytest.mark.parametrize(("flags", "words"), DIFFERENT, ids=lambda v: v[0] if isinstance(v, list) else "")
def test_a_flag_that_differs_is_named(user, flags, words):
    """A flag that the box that exists does not follow is named, never silently ignored; it stays no error."""
    user.world.has_box("dev")
    request = user.world.requests["sir-1"]
    said = user.run("up", "-y", *flags)
    assert said.code == 0
    assert words in said.err
    assert user.world.requests["sir-1"] == request


@pytest.mark.parametrize(
    ("flags", "more"),
    [
        *((flags, []) for flags, _ in DIFFERENT),
        (["--user-data", "FILE"], []),
        (["--checkpoint", "~/c=s3://mine/dev", "--iam-profile", "p"], []),
        (["--park", "-r", "eu-west-1", "--fallback", "none"], []),
        (["-z", "us-east-1b", "-z", "us-east-1a"], ["-z", "us-east-1a"]),
        (["--tag", "team=vision", "--allow-cidr", "192.0.2.0/24"],
         ["--allow-cidr", "192.0.2.0/24", "--tag", "team=vision"]),
        (["--idle-stop", "1h"], ["--idle-stop", "1h"]),
    ],
    ids=lambda v: " ".join(v),
)  # fmt: skip
def test_the_same_again_says_what_the_box_is(user, flags, more, tmp_path):
    """Of the flags given for a box that was there before, the line at the end repeats those that it follows."""
    (tmp_path / "script").write_text("#!/bin/sh\n")
    user.world.has_box("dev")
    said = user.run("up", "-y", *(str(tmp_path / "script") if word == "FILE" else word for word in flags))
    assert said.code == 0, said.err
    (line,) = (line for line in said.out.splitlines() if "the same again" in line)
    found = line.split("again")[1].split()
    at = found.index("--disk-size")
    words = ["spotbox", "up", "dev", "-r", "us-east-1", "-t", "g4dn.xlarge"]
    assert [*found[:at], *found[at + 2 :]] == [*words, *more, "-y"]


def test_the_same_again_tells_profile_and_cap_of_the_box(user):
    """What AWS shows of it is in the line, whoever typed it."""
    user.world.has_box("dev", tags={"spotbox:max-price": "0.2"})
    user.world.instances["i-1"] = replace(user.world.instances["i-1"], profile="gpu")
    out = user.run("up", "-y").out
    assert "--max-price 0.2 " in out
    assert "--iam-profile gpu " in out


def test_a_flag_that_agrees_is_not_named(user):
    """Flags that say what the box already is cause no remark."""
    user.world.has_box("dev")
    same = ["-t", "g4dn.xlarge", "-z", "us-east-1a", "--max-price", "on-demand", "--disk-size", "100"]
    assert user.run("up", "-y", *same).err == user.run("up", "-y").err


def test_a_larger_disk_grows(user):
    """A larger --disk-size grows the root volume."""
    user.world.has_box("dev")
    said = user.run("up", "-y", "--disk-size", "250")
    assert (said.code, user.world.volumes["vol-1"].size_gib) == (0, 250)
    assert "done: grow vol-1 to 250 GiB (the file system grows at the next boot)\n" in said.err


def test_a_new_tag_and_a_new_cidr_are_added(user):
    """--tag and --allow-cidr of a box that exists are carried out."""
    user.world.has_box("dev")
    assert user.run("up", "-y", "--tag", "team=vision", "--allow-cidr", "192.0.2.0/24").code == 0
    assert user.world.instances["i-1"].tags["team"] == "vision"
    assert "192.0.2.0/24" in {rule.cidr for rule in user.world.groups["sg-1"].rules}
