import base64
import dataclasses
import hashlib
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core import sshtext
from spotbox.core.errors import UsageError
from spotbox.core.sshtext import HostKeys, Target

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SSH = shutil.which("ssh")
needs_ssh = pytest.mark.skipif(SSH is None, reason="OpenSSH's client is not installed")

PLAIN = Target("dev", "203.0.113.5", 22, "ubuntu", "i-0abc", "/home/me/known_hosts", "/home/me/key", checked=True)
ODD_PATHS = [
    "/tmp/plain", "/tmp/with space/k", "/tmp/100%h/k", '/tmp/a"b/k', "/tmp/a'b/k", "/tmp/back\\slash/k",
    '/tmp/a\\"b', "/tmp/end\\", "/tmp/#hash", "/tmp/ü/漢", "/tmp/$HOME/k", "/tmp/~/k", "/tmp/a=b;c&d|e",
    "/tmp/two  spaces",
]  # fmt: skip


def target(**changes):
    return dataclasses.replace(PLAIN, **changes)


def blob(kind, filler=b"x"):
    """The base64 of a well-formed public key blob (RFC 4253, section 6.6)."""
    return base64.b64encode(len(kind).to_bytes(4, "big") + kind.encode() + filler * 40).decode()


ED, RSA, EC = (f"{kind} {blob(kind)}" for kind in ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"))


# -- command line --------------------------------------------------------------------------------------------------


def test_the_whole_command():
    """Identity by alias, own known_hosts, strict checking, the key, then user and host."""
    assert sshtext.ssh_command(PLAIN) == [
        "ssh", "-o", "HostKeyAlias=i-0abc", "-o", 'UserKnownHostsFile="/home/me/known_hosts"',
        "-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null", "-o", "ServerAliveInterval=15",
        "-o", "ServerAliveCountMax=4", "-o", "ConnectTimeout=15", "-o", 'IdentityFile="/home/me/key"',
        "-o", "IdentitiesOnly=yes", "ubuntu@203.0.113.5",
    ]  # fmt: skip


def test_port_forwards_and_command():
    """-p and -L come before the destination, the command after `--`."""
    words = sshtext.ssh_command(target(port=2222), ["8888:localhost:8888"], ["ls", "-l"])
    at = words.index("ubuntu@203.0.113.5")
    assert words[at - 4 : at] == ["-p", "2222", "-L", "8888:localhost:8888"]
    assert words[at + 1 :] == ["--", "ls", "-l"]


def test_an_unknown_host_key_is_kept_when_first_seen():
    """Not checked: accept-new, never `no`; without a key of ours the agent may offer its own."""
    options = sshtext.options(target(checked=False, key=None))
    assert options["StrictHostKeyChecking"] == "accept-new"
    assert not {"IdentityFile", "IdentitiesOnly"} & set(options)


@pytest.mark.parametrize("user", ["-oProxyCommand=reboot", "", "a b", "x\ny", "a@b"])
def test_no_user_becomes_an_option(user):
    """A login that is none is refused, before ssh could take it for an option."""
    for make in (sshtext.ssh_command, lambda where: sshtext.config_entry(where, ["true"])):
        with pytest.raises(UsageError):
            make(target(user=user))


def told(words):
    """What OpenSSH itself makes of a command line: its final options."""
    done = subprocess.run([SSH, "-G", "-F", "none", *words[1:]], capture_output=True, text=True, check=True, timeout=60)
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return {key: value for key, _, value in pairs}


@needs_ssh
def test_openssh_reads_the_command_as_meant():
    """ssh -G: host, user, port, alias and forward are those of the target."""
    told_ = told(sshtext.ssh_command(target(port=2222), ["8888:localhost:80"], ["echo", "-n"]))
    wanted = {"hostname": "203.0.113.5", "user": "ubuntu", "port": "2222", "hostkeyalias": "i-0abc",
              "stricthostkeychecking": "true", "identitiesonly": "yes",
              "localforward": "8888 [localhost]:80"}  # fmt: skip
    assert {key: told_[key] for key in wanted} == wanted


@needs_ssh
@pytest.mark.parametrize("path", ODD_PATHS)
def test_openssh_reads_odd_paths_as_they_are(path):
    """Spaces, quotes, backslashes and # in a path reach OpenSSH whole; a percent sign is doubled against expansion."""
    told_ = told(sshtext.ssh_command(target(key=path, known_hosts=path)))
    # ssh -G expands the one and not the other, and not in every version.
    assert told_["identityfile"].replace("%%", "%") == path
    assert told_["userknownhostsfile"].replace("%%", "%") == path


@needs_ssh
def test_openssh_finds_the_key_under_an_odd_path(tmp_path):
    """The percent sign is undoubled when the file is opened: ssh's own debug names the path as it is."""
    where = target(host="127.0.0.1", port=1, key=str(tmp_path / "a %h 100%" / "key"))
    Path(where.key).parent.mkdir()
    Path(where.key).write_text("no key\n")
    words = sshtext.ssh_command(where)
    done = subprocess.run(
        [SSH, "-v", "-F", "none", "-o", "ProxyCommand=true", "-o", "BatchMode=yes", *words[1:]],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert f"identity file {where.key} type" in done.stderr


@pytest.mark.parametrize("path", ["/tmp/a\nProxyCommand reboot", "/tmp/a\rb", "/tmp/a\0b", "/tmp/${USER}/k"])
def test_a_path_that_ssh_cannot_be_told_is_refused(path):
    """No quoting of ssh_config holds a line break, which begins a line of its own, or ${}, which is expanded."""
    with pytest.raises(UsageError):
        sshtext.quote_path(path)


# -- configuration -------------------------------------------------------------------------------------------------


def written(tmp_path, where, connect):
    config = tmp_path / "config"
    config.write_text(sshtext.config_entry(where, connect))
    return config


@needs_ssh
@pytest.mark.parametrize("path", ODD_PATHS)
def test_openssh_reads_the_entry_as_meant(tmp_path, path):
    """`ssh spotbox-dev` goes to the alias through the proxy, with the key and known hosts under any path."""
    config = written(tmp_path, target(key=path, known_hosts=path), ["spotbox", "ssh", "--stdio", "dev"])
    told_ = told(["ssh", "-F", str(config), "spotbox-dev"])
    wanted = {"hostname": "i-0abc", "user": "ubuntu", "hostkeyalias": "i-0abc", "identityfile": path,
              "userknownhostsfile": path, "proxycommand": "spotbox ssh --stdio dev"}  # fmt: skip
    assert {key: told_[key].replace("%%", "%") for key in wanted} == wanted


@needs_ssh
def test_the_proxy_gets_its_words_whole(tmp_path):
    """Spaces, quotes, dollars and percent signs in the connecting command survive ssh_config, ssh and the shell."""
    out = tmp_path / "out"
    odd = ["a b", "it's", '"q"', "100%h", "$HOME", "`x`", "#", "a\\b", "*", "", "ü;&|"]
    script = tmp_path / "proxy"
    script.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" > {shlex.quote(str(out))}\n")
    script.chmod(0o700)
    config = written(tmp_path, target(key=None), [str(script), *odd])
    subprocess.run([SSH, "-F", str(config), "-o", "BatchMode=yes", "spotbox-dev"], capture_output=True, timeout=60)
    assert out.read_text().split("\0")[:-1] == odd


@pytest.mark.parametrize("word", ["a\nProxyCommand reboot", "a\r", "ends with \\", "a \\'b"])
def test_a_connecting_command_that_ssh_config_cannot_hold_is_refused(word):
    """A line break would begin a line of its own; a backslash before a quote makes ssh refuse the whole file."""
    with pytest.raises(UsageError):
        sshtext.config_entry(PLAIN, ["spotbox", "--profile", word])


OLD = "# mine\nHost other\n    User x\n"
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True)


@given(st.lists(NAMES, unique=True, min_size=1, max_size=4), st.data())
def test_entries_come_and_go_without_touching_others(names, data):
    """Writing a box's entry twice is writing it once; removing it gives the old text back."""
    entries = {name: sshtext.config_entry(target(name=name), ["connect", name]) for name in names}
    config = OLD
    for name in names:
        config = sshtext.replace_entry(sshtext.replace_entry(config, name, entries[name]), name, entries[name])
    assert config == OLD + "".join(entries.values())
    for name in data.draw(st.permutations(names)):
        config = sshtext.replace_entry(config, name, "")
        assert entries[name] not in config
    assert config == OLD


def test_a_name_that_begins_another_is_not_taken_for_it():
    """dev is not dev2, nor dev-a."""
    entries = {name: sshtext.config_entry(target(name=name), ["c"]) for name in ("dev", "dev2", "dev-a")}
    config = sshtext.replace_entry("".join(entries.values()), "dev", "")
    assert config == entries["dev2"] + entries["dev-a"]


def test_an_entry_after_a_last_line_without_its_end():
    """A file that an editor left without a final line end keeps its last line as a line."""
    entry = sshtext.config_entry(PLAIN, ["c"])
    assert sshtext.replace_entry("Host x\n    User y", "dev", entry) == "Host x\n    User y\n" + entry
    assert sshtext.replace_entry(entry.rstrip("\n"), "dev", "") == ""


# -- forwards ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "forward"),
    [
        ("8888", "8888:localhost:8888"),
        ("8888:localhost:80", "8888:localhost:80"),
        ("1:a.b-c_d:65535", "1:a.b-c_d:65535"),
        ("80:[::1]:80", "80:[::1]:80"),
    ],
)
def test_forwards(text, forward):
    """A bare port forwards the same port of the box; the full form stays."""
    assert sshtext.parse_forward(text) == forward


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "x", "8888:80", "8888:h:0", "8888:h:65536", "1:a b:2", "1::2", "1\n"]
)
def test_what_is_no_forward(text):
    """The rest is refused."""
    with pytest.raises(ValueError, match=r"^[\s\S]*$"):
        sshtext.parse_forward(text)


# -- host keys -----------------------------------------------------------------------------------------------------

PRINT = "SHA256:" + "A" * 43


def block(what, *lines):
    return "\n".join([f"-----BEGIN SSH HOST KEY {what}-----", *lines, f"-----END SSH HOST KEY {what}-----", ""])


@pytest.mark.parametrize(
    ("console", "keys", "prints"),
    [
        ("", (), set()),
        (block("KEYS", f"{ED} root@ip-1", f"{RSA} root@ip-1", EC), (ED, RSA, EC), set()),
        (block("FINGERPRINTS", f"256 {PRINT} root@ip (ED25519)"), (), {PRINT}),
        (block("KEYS", f"ec2: {ED}") + block("FINGERPRINTS", f"ec2: 256 {PRINT} x"), (ED,), {PRINT}),
        (block("KEYS", f"<14>Nov 22 03:00:00 cloud-init: ec2: {ED}"), (ED,), set()),
        (block("KEYS", f"[   12.3456] cloud-init[700]: ec2: {ED}"), (ED,), set()),
        (block("KEYS", ED, "[  13.0] usb 1-1: new device", RSA), (ED, RSA), set()),
        (block("KEYS", ED).replace("\n", "\r\n"), (ED,), set()),
        (block("KEYS", RSA) + "reboot\n" + block("KEYS", ED), (ED,), set()),
        ("-----BEGIN SSH HOST KEY KEYS-----\n" + RSA + "\ncut off\n" + block("KEYS", ED), (ED,), set()),
        (block("KEYS", ED) + "-----BEGIN SSH HOST KEY KEYS-----\n" + RSA, (ED,), set()),
        ("-----BEGIN SSH HOST KEY KEYS-----\n" + RSA, (), set()),
        (block("KEYS", "ssh-dss AAAA", "ssh-ed25519", "ssh-ed25519 !!!", f"ssh-rsa {blob('ssh-ed25519')}"), (), set()),
        (block("KEYS", "ssh-ed25519 AAAA\ufffd\ufffd", f"@cert-authority * {ED}", f"* {ED}"), (), set()),
        (f"{ED}\n{PRINT}\n", (), set()),
    ],
    ids=range(15),
)
def test_host_keys_in_a_console_log(console, keys, prints):
    """The last whole block counts, through prefixes, noise and CR LF; what is no key is left out."""
    assert sshtext.parse_host_keys(console) == HostKeys(keys, frozenset(prints))


def test_a_recorded_console_log():
    """A real log with MD5 fingerprints only: neither keys nor SHA256 fingerprints, and none invented."""
    path = DATA / "console-output-host-keys.txt"
    if not path.exists():
        pytest.skip("the recorded console log is not in this checkout")
    log = path.read_text()
    assert "ec2: 256 8a:99:81:cd" in log
    assert sshtext.parse_host_keys(log) == HostKeys()


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_no_console_log_is_a_crash(noise, more):
    """The log is what any program on the box printed."""
    found = sshtext.parse_host_keys(noise + block("KEYS", f"ssh-ed25519 {more}", noise, ED) + more)
    assert all(len(key.split()) == 2 for key in found.keys)


def test_a_fingerprint_is_opensshs():
    """SHA-256 of the blob in base64 without padding, the same that ssh-keygen prints."""
    digest = hashlib.sha256(base64.b64decode(ED.split()[1])).digest()
    assert sshtext.fingerprint(ED) == "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_ssh_keygen_agrees(tmp_path):
    """A real key: our fingerprint is ssh-keygen's, and ssh-keygen finds our known_hosts line under the alias."""
    key = tmp_path / "k"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    line = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    shown = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, text=True, check=True).stdout
    assert shown.split()[1] == sshtext.fingerprint(line)
    hosts = tmp_path / "known"
    hosts.write_text(sshtext.known_hosts_lines("i-0abc", [line]))
    found = subprocess.run(["ssh-keygen", "-F", "i-0abc", "-f", str(hosts)], capture_output=True, text=True, check=True)
    assert line in found.stdout
