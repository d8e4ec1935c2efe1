"""AWS's side lies: what it says reaches neither terminal, shell, ssh option nor configuration file as it stands."""

import shlex
from dataclasses import replace

import pytest

from spotbox.core.sshtext import is_place
from tests.commands.test_status import NASTY, clean
from tests.commands.world import public_key

INJECTED = "x\n  ProxyCommand touch /tmp/pwned\n"
ADDRESSES = ["1.2.3.4 -oProxyCommand=boom", "-oProxyCommand=boom", "$(boom)", "203.0.113.1\nHost *", "fe80::1%x y"]


def config(user) -> str:
    path = user.home / "ssh_config"
    return path.read_text() if path.exists() else ""


def box(user, **changes):
    """A running box with something wrong in what AWS says of its instance."""
    user.world.has_box("dev")
    user.world.instances["i-1"] = replace(user.world.instances["i-1"], **changes)


@pytest.mark.parametrize("address", ADDRESSES, ids=ascii)
def test_an_address_that_is_none(user, address):
    """A public address that is no IP address is none: no ssh is run, no entry written, no command line shown."""
    box(user, public_ip=address)
    for args in (["ssh"], ["ssh", "--print"], ["ssh", "--stdio"], ["up", "-y"]):
        said = user.run(*args)
        assert said.code != 0
        assert (user.app.system.ran, user.app.system.piped) == (None, None)
        assert clean(said.out + said.err)
    assert "boom" not in config(user)
    assert "Host *" not in config(user)
    assert user.run("status", "dev", "-o", "json").json["ssh"] is None


@pytest.mark.parametrize("login", [INJECTED, "-oProxyCommand=boom", "root;boom", "a b", NASTY], ids=ascii)
def test_a_login_that_is_none(user, login):
    """A `spotbox:user` that is no login is not used: the default one is."""
    user.world.has_box("dev", tags={"spotbox:user": login})
    for things in (user.world.requests, user.world.instances):
        for id_, thing in things.items():
            things[id_] = replace(thing, tags={**thing.tags, "spotbox:user": login})
    assert user.run("ssh").code == 0
    assert user.app.system.ran[-1] == "ubuntu@203.0.113.3"
    assert "ProxyCommand touch" not in config(user)
    assert "User ubuntu\n" in config(user)


@pytest.mark.parametrize("key", [INJECTED, NASTY, "-oboom", "spotbox-alice-../../etc/passwd"], ids=ascii)
def test_a_key_name_opens_no_file(user, key):
    """The key's name is compared, never made a path: the agent, or a pushed key, takes its place."""
    box(user, key_name=key)
    said = user.run("ssh", "--print")
    assert "passwd" not in said.out
    assert clean(said.out + said.err)
    assert clean(user.run("ssh").err)


CONSOLES = [
    "-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 AAAA\n* ssh-ed25519 AAAA\n-----END SSH HOST KEY KEYS-----",
    f"-----BEGIN SSH HOST KEY KEYS-----\n{public_key('h')}\x1b[2J\r\n@cert-authority * {public_key('x')}\n"
    "-----END SSH HOST KEY KEYS-----",
    NASTY * 50,
    f"-----BEGIN SSH HOST KEY FINGERPRINTS-----\n256 SHA256:{'A' * 43}{NASTY}\n-----END SSH HOST KEY FINGERPRINTS-----",
]


@pytest.mark.parametrize("console", CONSOLES, ids=range(len(CONSOLES)))
def test_a_console_that_lies(user, console):
    """Only whole keys of known kinds reach known_hosts, under the box's own id: no wildcard, no authority."""
    user.world.has_box("dev")
    user.world.consoles["i-1"] = console
    said = user.run("ssh")
    assert clean(said.out + said.err)
    hosts = user.home / "known_hosts"
    for line in hosts.read_text().splitlines() if hosts.exists() else ():
        name, kind, _ = line.split(" ")
        assert (name, kind) == ("i-1", "ssh-ed25519")


@pytest.mark.parametrize("field", ["zone", "instance_type", "image_id", "reason_message", "public_ip"])
def test_every_text_of_an_instance_is_escaped(user, field):
    """Zone, type, image, reason: shown as text by every command that shows them, also as data."""
    box(user, **{field: INJECTED + NASTY})
    request = user.world.requests["sir-1"]
    user.world.requests["sir-1"] = replace(request, zone=INJECTED, instance_type=NASTY, message=NASTY)
    for args in (["status"], ["status", "dev"], ["status", "-o", "json"], ["status", "-o", "csv"], ["up", "-y"],
                 ["ssh", "--print"], ["stop"], ["start"], ["audit"], ["down", "-y"]):  # fmt: skip
        said = user.run(*args)
        assert clean(said.out), (args, ascii(said.out))
        assert clean(said.err), (args, ascii(said.err))
        assert "\n  ProxyCommand touch" not in said.out + said.err + config(user)


@pytest.mark.parametrize("name", [INJECTED, NASTY, "a'; boom; '", "dev: written by spotbox, changes are lost\nHost *"])
def test_a_name_that_no_command_would_write(user, name):
    """A box tagged by hand with what is no name: shown, removed by `down --all`, and another box's entry stays."""
    user.world.has_box("dev")
    user.run("ssh")
    before = config(user)
    assert "Host spotbox-dev" in before
    number = user.world.has_box("evil", region="eu-west-1")
    for things in (user.world.requests, user.world.instances, user.world.volumes, user.world.groups):
        for id_, thing in things.items():
            if id_.endswith(f"-{number}"):
                things[id_] = replace(thing, tags={**thing.tags, "spotbox:name": name})
    assert clean(user.run("status").out)
    said = user.run("down", "--all", "-y", "-r", "eu-west-1")
    assert (said.code, clean(said.out + said.err)) == (0, True)
    assert config(user) == before


def test_the_remedies_are_commands(user):
    """What the audit tells to type splits into the words that were meant, whatever the owner is called."""
    user.world.has_box("dev", "orphaned", owner="$(boom) 'x")
    for row in user.run("audit", "--owner", "all", "-o", "json").json:
        words = shlex.split(row["remedy"])
        assert words[0] == "spotbox"
        assert words[words.index("--owner") + 1] == "$(boom) 'x"


@pytest.mark.parametrize("host", ["203.0.113.7", "2001:db8::7", "127.1.0.9"])
def test_an_address_is_an_address(host):
    """IPv4 and IPv6 as AWS writes them, with an id of EC2's."""
    assert is_place(host, "i-0123456789abcdef0")
    assert not is_place(host, "i-1\n* ssh-rsa AAAA")
    assert not is_place(host, "")
