import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core import names
from spotbox.core.errors import Exit, UsageError

ED25519 = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))).decode()


@pytest.mark.parametrize("name", ["a", "dev", "a1-b", "z" * 32, "a-"])
def test_box_names(name):
    """A lower-case letter, then up to 31 letters, digits or hyphens."""
    assert names.check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "1a", "-a", "Dev", "a_b", "a b", "z" * 33, "dev\n", "é", "a\x1b", "../x", "a.b", "dev\0"]
)
def test_what_is_no_box_name(name):
    """Anything else is a usage error, which shows no control character."""
    with pytest.raises(UsageError) as told:
        names.check_name(name)
    assert told.value.exit_code is Exit.USAGE
    assert told.value.message.isprintable()


@pytest.mark.parametrize("login", ["ubuntu", "ec2-user", "_a", "A.b-c_d"])
def test_logins(login):
    """What Linux takes as a login passes."""
    assert names.check_login(login) == login


@pytest.mark.parametrize("login", ["", "-x", "-oProxyCommand=x", "a b", "a\n", "a@b", "a:b", "1x", "a/b", "x" * 33])
def test_what_is_no_login(login):
    """What could be an option of ssh, or end its line, does not."""
    with pytest.raises(UsageError):
        names.check_login(login)


@pytest.mark.parametrize("owner", ["alice", "a.b@c", "x_y+z=1,2", "A" * 128])
def test_owners(owner):
    """What IAM takes as a name is an owner."""
    assert names.check_owner(owner) == owner


@pytest.mark.parametrize("owner", ["", "a b", "a/b", "a:b", "A" * 129, "a\n", "é"])
def test_what_is_no_owner(owner):
    """The rest is a usage error."""
    with pytest.raises(UsageError):
        names.check_owner(owner)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("team=vision", ("team", "vision")),
        ("a=", ("a", "")),
        ("a=b=c", ("a", "b=c")),
        ("cost:centre=4 711", ("cost:centre", "4 711")),
        ("name=x", ("name", "x")),
        ("a=größe", ("a", "größe")),
    ],
)
def test_tags(text, pair):
    """KEY=VALUE; the first equals sign divides."""
    assert names.parse_tag(text) == pair


@pytest.mark.parametrize(
    "text",
    ["", "team", "=x", "Name=x", "spotbox:name=x", "SpotBox:x=1", "aws:x=1", "AWS:x=1", "a b=c", "a/b=c", ".=x",
     "..=x", "_index=x", f"{'k' * 129}=v", f"k={'v' * 257}", "k=a\nb", "k=a\x1b", "k\n=v", "k=a\0"],
)  # fmt: skip
def test_what_is_no_tag(text):
    """spotbox's and AWS's own keys, what instance metadata refuses, and control characters are usage errors."""
    with pytest.raises(UsageError):
        names.parse_tag(text)


def test_own_tags_win():
    """Nothing that the user gives replaces the tags by which a box is found."""
    tags = names.box_tags("dev", "alice", {"spotbox:owner": "mallory", "Name": "x", "team": "v"})
    assert (tags["spotbox:owner"], tags["Name"], tags["team"]) == ("alice", "spotbox-dev", "v")
    assert names.without_own(tags) == {"team": "v"}


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_tags_on_the_wire_do_not_depend_on_their_order(tags):
    """The same tags give the same bytes, or a ClientToken would not match its parameters."""
    backwards = dict(reversed(tags.items()))
    assert names.wire_tags(tags) == names.wire_tags(backwards)
    assert {tag["Key"]: tag["Value"] for tag in names.wire_tags(tags)} == tags


def test_the_token_of_a_wish_is_known():
    """The token is the same on every machine and in every version: it is what a repeated launch is known by."""
    token = names.client_token("alice", "dev", "us-east-1", "us-east-1a", "g5.xlarge", "spot", 0)
    wish = b"alice\0dev\0us-east-1\0us-east-1a\0g5.xlarge\0spot\x000"
    assert token == hashlib.sha256(wish).hexdigest()
    assert re.fullmatch(r"[\x21-\x7e]{1,64}", token), "EC2 keeps at most 64 ASCII characters"


WISHES = st.tuples(*[st.text(st.characters(blacklist_characters="\0"), max_size=4)] * 6, st.integers(0, 99))


@given(WISHES, WISHES)
def test_different_wishes_have_different_tokens(one, other):
    """Owner, name, region, zone, type, market and generation each make another token."""
    assert (names.client_token(*one) == names.client_token(*other)) == (one == other)


def test_the_fingerprint_of_a_key():
    """16 hex digits of the blob's SHA-256, whatever the comment."""
    blob = base64.b64decode(ED25519)
    expected = hashlib.sha256(blob).hexdigest()[:16]
    assert names.key_fingerprint(f"ssh-ed25519 {ED25519}") == expected
    assert names.key_fingerprint(f"ssh-ed25519 {ED25519} me@héré\n") == expected


@pytest.mark.parametrize(
    "line",
    ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-ed25519 AAAA", f"ssh-rsa {ED25519}", f"ssh-dss {ED25519}",
     "ssh-ed25519 é", f"ecdsa-sha2-nistp256 {ED25519}", "-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-ed25519 A"],
)  # fmt: skip
def test_what_is_no_public_key(line):
    """Anything but an ed25519 or rsa line in OpenSSH's form is a usage error, never a crash."""
    with pytest.raises(UsageError):
        names.key_fingerprint(line)


def test_automatic_rules_are_known_by_machine():
    """A machine's own rule is told from another machine's and from one that was given."""
    assert names.is_auto_rule(names.auto_rule("m1"))
    assert names.is_auto_rule(names.auto_rule("m1"), "m1")
    assert not names.is_auto_rule(names.auto_rule("m2"), "m1")
    assert not names.is_auto_rule("spotbox given")


def test_names_in_a_sentence():
    """`a, b and c`."""
    assert [names.join_names(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
