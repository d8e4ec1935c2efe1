"""`ssh`: the command line, the keys on both sides, who is let in, and what is refused."""

import shlex
from dataclasses import replace
from itertools import pairwise

import pytest

from spotbox.cli import run
from spotbox.core.names import key_fingerprint
from spotbox.core.records import Rule
from spotbox.core.sshtext import fingerprint
from tests.commands.fakes import FakeApp
from tests.commands.world import HOME, public_key


def known(user):
    """The lines of spotbox's known_hosts."""
    path = user.home / "known_hosts"
    return path.read_text().splitlines() if path.exists() else []


def options(words):
    """The -o options of an ssh command line."""
    return dict(word.split("=", 1) for flag, word in pairwise(words) if flag == "-o")


def test_the_command_line(keyed):
    """The box's key, its user, its identity under an alias, and the known host key; then the command after --."""
    said = keyed.run("ssh", "--", "nvidia-smi", "-L")
    words, home = keyed.app.system.ran, keyed.home
    assert (said.code, said.out) == (0, "")
    assert words[0] == "ssh"
    assert words[-4:] == ["ubuntu@203.0.113.3", "--", "nvidia-smi", "-L"]
    assert options(words) == {
        "HostKeyAlias": "i-1",
        "UserKnownHostsFile": f'"{home}/known_hosts"',
        "StrictHostKeyChecking": "yes",
        "GlobalKnownHostsFile": "/dev/null",
        "IdentityFile": f'"{home}/keys/spotbox_ed25519"',
        "IdentitiesOnly": "yes",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
        "ConnectTimeout": "15",
    }
    assert known(keyed) == [f"i-1 {public_key('h')}"]


def test_forwards(keyed):
    """-L with a bare number forwards the same port; a whole one stays as given; nonsense is exit 2."""
    keyed.run("ssh", "-L", "8888", "-L", "9000:db:5432")
    words = keyed.app.system.ran
    assert [b for a, b in pairwise(words) if a == "-L"] == ["8888:localhost:8888", "9000:db:5432"]
    assert keyed.run("ssh", "-L", "99999").code == 2


def test_print_is_the_command_and_runs_nothing(keyed):
    """--print gives the full command on stdout, and changes nothing."""
    keyed.world.address = "192.0.2.9"
    said = keyed.run("ssh", "--print", "--", "echo", "a b")
    assert shlex.split(said.out)[-4:] == ["ubuntu@203.0.113.3", "--", "echo", "a b"]
    assert keyed.app.system.ran is None
    assert [rule.cidr for rule in keyed.world.groups["sg-1"].rules] == [f"{HOME}/32"]


@pytest.mark.parametrize(("was", "code"), [
    ("interrupted", 3), ("waiting", 3), ("stopped", 1), ("stopping", 1), ("starting", 1), ("terminating", 1),
    ("orphaned", 1), ("kept", 1), ("failed", 1),
])  # fmt: skip
def test_a_box_that_does_not_run(user, was, code):
    """3 where AWS has it, else 1; the state and what to do are told, and ssh is not run."""
    user.world.has_box("dev", was)
    said = user.run("ssh")
    assert (said.code, said.out, user.app.system.ran) == (code, "", None)
    assert said.err.splitlines()[0].startswith(f"spotbox: dev is {was}: ")
    assert "dev" in said.err.splitlines()[1]


def test_ssh_is_not_installed(user):
    """Without OpenSSH's client: exit 1 and what to install."""
    user.world.has_box("dev")
    app = FakeApp(user.world, None, {"SPOTBOX_HOME": str(user.home)})
    app.system.programs = set()
    assert run(["ssh"], obj=app) == 1
    assert "openssh" in user.capsys.readouterr().err.lower()
    assert run(["up", "new", "-y"], obj=app) == 1
    assert len(user.world.requests) == 1


def test_a_new_address_takes_the_old_ones_place(keyed):
    """This machine's old automatic rule is replaced by the new address, and the user is told."""
    keyed.world.address = "192.0.2.9"
    said = keyed.run("ssh")
    assert [rule.cidr for rule in keyed.world.groups["sg-1"].rules] == ["192.0.2.9/32"]
    assert "your address is now 192.0.2.9: admit 192.0.2.9/32 to port 22 in place of 198.51.100.7/32\n" in said.err


def test_an_ipv6_address_is_admitted_alone(keyed):
    """An IPv6 address gets a /128."""
    keyed.world.address = "2001:db8::7"
    keyed.run("ssh")
    assert [rule.cidr for rule in keyed.world.groups["sg-1"].rules] == ["2001:db8::7/128"]


def test_given_cidrs_are_never_widened(user):
    """Where only given CIDRs are admitted, `ssh` adds nothing and names the command that would."""
    user.world.has_box("dev", rules=(Rule("192.0.2.0/24", "spotbox given"),))
    said = user.run("ssh")
    assert [rule.cidr for rule in user.world.groups["sg-1"].rules] == ["192.0.2.0/24"]
    assert f"spotbox up dev --allow-cidr {HOME}/32\n" in said.err


def test_an_address_that_cannot_be_found_out_is_no_end(keyed):
    """Where the caller's own address cannot be told, ssh is tried all the same."""
    keyed.world.refuses("CheckIp", "InternalError")
    assert keyed.run("ssh").code == 0
    assert keyed.app.system.ran


def test_a_missing_private_key_is_pushed(user):
    """The key was made elsewhere: spotbox's own is pushed for a minute through EC2 Instance Connect."""
    user.world.has_box("dev", key=public_key("x"))
    said = user.run("ssh")
    assert (said.code, user.world.pushed) == (0, [("i-1", "ubuntu")])
    assert options(user.app.system.ran)["IdentityFile"] == f'"{user.home}/keys/spotbox_ed25519"'
    assert "this machine does not have the box's key: pushed its own for one minute" in said.err


def test_a_key_in_the_agent_needs_no_push(user):
    """The private half is the agent's where it is not on this machine: nothing is pushed, and ssh takes that one of the
    agent's keys alone, for it may hold more than sshd lets one try."""
    user.world.has_box("dev", key=public_key("x"))
    user.world.agent_keys = ("sk-ssh-ed25519@openssh.com AAAA", public_key("y"), public_key("x"))
    said = user.run("ssh")
    assert (said.code, user.world.pushed) == (0, [])
    told = options(user.app.system.ran)
    half = user.home / "keys" / "agent" / f"{key_fingerprint(public_key('x'))}.pub"
    assert (told["IdentityFile"], told["IdentitiesOnly"]) == (f'"{half}"', "yes")
    assert half.read_text() == public_key("x") + "\n"
    assert "not on this machine" not in said.err


def test_a_push_that_aws_refuses_leaves_it_to_the_agent(user):
    """Where the push is refused, the user is told what to do, and ssh is tried with the agent's keys."""
    user.world.has_box("dev", key=public_key("x"))
    user.world.refuses("SendSSHPublicKey", "AccessDeniedException", http=403)
    said = user.run("ssh")
    assert said.code == 0
    assert "IdentityFile" not in options(user.app.system.ran)
    assert f"copy the key into {user.home}/keys or add it to your ssh agent\n" in said.err


def test_a_key_of_ones_own_is_found_from_any_folder(user, tmp_path, monkeypatch):
    """--key takes a path relative to where `up` ran; `ssh` finds its private half from everywhere."""
    (tmp_path / "id.pub").write_text(public_key("m") + "\n")
    (tmp_path / "id").write_text("the private half")
    monkeypatch.chdir(tmp_path)
    assert user.run("up", "-y", "--key", "id.pub").code == 0
    monkeypatch.chdir("/")
    user.run("ssh")
    assert options(user.app.system.ran)["IdentityFile"] == f'"{tmp_path}/id"'
    assert user.world.pushed == []


def test_no_host_key_is_said(keyed):
    """AWS shows no host key: the first one seen is kept, and the user knows that it is unproven."""
    keyed.world.consoles[""] = ""
    said = keyed.run("ssh")
    assert said.code == 0
    assert options(keyed.app.system.ran)["StrictHostKeyChecking"] == "accept-new"
    assert "the first key seen will be kept (unproven)\n" in said.err


FINGERPRINTS = (
    "-----BEGIN SSH HOST KEY FINGERPRINTS-----\n256 {} root@dev (ED25519)\n-----END SSH HOST KEY FINGERPRINTS-----"
)


def test_fingerprints_prove_what_the_server_shows(keyed):
    """The console has fingerprints only: the server's key that has one of them is known."""
    keyed.world.consoles[""] = FINGERPRINTS.format(fingerprint(public_key("h")))
    keyed.world.shown_keys = (public_key("z"), public_key("h"))
    keyed.run("ssh")
    assert known(keyed) == [f"i-1 {public_key('h')}"]
    assert options(keyed.app.system.ran)["StrictHostKeyChecking"] == "yes"


def test_a_server_that_shows_another_key_is_not_trusted(keyed):
    """The server's keys have none of the fingerprints that AWS tells: no connection, and the user is told."""
    keyed.world.consoles[""] = FINGERPRINTS.format(fingerprint(public_key("h")))
    keyed.world.shown_keys = (public_key("z"),)
    said = keyed.run("ssh")
    assert (said.code, keyed.app.system.ran, known(keyed)) == (1, None, [])
    assert "host key" in said.err.splitlines()[-2]


def test_the_box_keeps_its_identity_across_addresses(keyed):
    """After stop and start the address is new and the host key is still known under the instance's id."""
    keyed.run("ssh")
    keyed.run("stop")
    keyed.run("start")
    keyed.world.consoles[""] = ""
    keyed.run("ssh")
    assert options(keyed.app.system.ran)["HostKeyAlias"] == "i-1"
    assert options(keyed.app.system.ran)["StrictHostKeyChecking"] == "yes"


def test_the_ssh_config_entry(keyed):
    """`ssh spotbox-dev` finds the address when connecting, and the entry goes with the box."""
    keyed.run("ssh")
    text = (keyed.home / "ssh_config").read_text()
    assert "Host spotbox-dev\n    HostName i-1\n    User ubuntu\n" in text
    assert text.count("ssh --stdio -r us-east-1 --owner alice dev\n") == 1
    keyed.run("ssh", "--stdio")
    assert keyed.app.system.piped == ("203.0.113.3", 22)
    keyed.run("down", "-y")
    assert "spotbox-dev" not in (keyed.home / "ssh_config").read_text()
    assert known(keyed) == []


def test_a_relaunch_is_tagged_again(keyed):
    """`ssh` gives a relaunched instance the box's tags."""
    keyed.world.instances["i-1"] = replace(keyed.world.instances["i-1"], tags={})
    keyed.run("ssh")
    assert keyed.world.instances["i-1"].tags["spotbox:name"] == "dev"


HOSTILE = ["-oProxyCommand=touch /tmp/owned", "ubuntu\n    ProxyCommand touch /tmp/owned", "a b", "", "\x1b[2Jroot"]


@pytest.mark.parametrize("login", HOSTILE)
def test_a_login_tag_that_is_no_login_is_not_used(keyed, login):
    """The tag spotbox:user comes from AWS: what is no login name reaches neither ssh's options nor its config."""
    request = keyed.world.requests["sir-1"]
    keyed.world.requests["sir-1"] = replace(request, tags={**request.tags, "spotbox:user": login})
    keyed.run("ssh")
    assert keyed.app.system.ran[-1] == "ubuntu@203.0.113.3"
    assert "owned" not in (keyed.home / "ssh_config").read_text()
    assert keyed.run("up", "-y", "--ssh-user", login or " ").code == 2
