"""The words of OpenSSH: command lines, config entries, known hosts, and the host keys in a console log."""

import base64
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from spotbox.core.errors import UsageError
from spotbox.core.names import check_login
from spotbox.core.text import shell

# OpenSSH's own limits and ours: notice within a minute that a box went away.
ALIVE = {"ServerAliveInterval": "15", "ServerAliveCountMax": "4", "ConnectTimeout": "15"}


@dataclass(frozen=True)
class Target:
    """Where and as whom to connect. `alias` is the identity under which the host key is known, whatever the address."""

    name: str
    host: str
    port: int
    user: str
    alias: str
    known_hosts: str
    key: str | None  # private key file, or the public half of one in the agent; None leaves it to the agent
    checked: bool  # the host key is known; else the first one seen is kept


def is_place(host: str, alias: str) -> bool:
    """Whether these can stand in ssh's options, its configuration and known_hosts as they are.

    `host` must be an IP address and `alias` an id such as i-0123: nothing in them ends a word or a line there.
    """
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host and bool(re.fullmatch(r"[A-Za-z0-9-]{1,64}", alias))  # a scope (fe80::1%x) may be any text


def options(target: Target) -> dict[str, str]:
    """The ssh options that every connection to this box needs."""
    own = {
        "HostKeyAlias": target.alias,
        "UserKnownHostsFile": quote_path(target.known_hosts),
        "StrictHostKeyChecking": "yes" if target.checked else "accept-new",
        # A host key in the system's files or from a CA for another host must not speak for this box.
        "GlobalKnownHostsFile": "/dev/null",
        **ALIVE,
    }
    if target.key:
        own |= {"IdentityFile": quote_path(target.key), "IdentitiesOnly": "yes"}
    return own


def ssh_command(target: Target, forwards: Sequence[str] = (), command: Sequence[str] = ()) -> list[str]:
    """The ssh command line. `command` words reach the box's shell joined by spaces, as ssh itself does it."""
    words = ["ssh"]
    for key, value in options(target).items():
        words += ["-o", f"{key}={value}"]
    if target.port != 22:
        words += ["-p", str(target.port)]
    for forward in forwards:
        words += ["-L", forward]
    words.append(f"{check_login(target.user)}@{target.host}")
    # After the destination ssh still reads options; `--` keeps a command that starts with a dash a command.
    return [*words, *(["--", *command] if command else [])]


def parse_forward(text: str) -> str:
    """`8888` -> `8888:localhost:8888`; `8888:host:80` stays. ValueError otherwise."""
    match = re.fullmatch(r"(\d{1,5})(?::([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5}))?", text)
    if not match or not all(0 < int(port) < 65536 for port in (match[1], match[3]) if port):
        raise ValueError(text)
    return text if match[2] else f"{text}:localhost:{text}"


def quote_path(path: str) -> str:
    """A path as ssh_config and -o take it: quoted against spaces, `%` doubled against token expansion.

    UsageError for a line break or `${`, which no quoting of OpenSSH's holds (ssh_config(5), ENVIRONMENT VARIABLES).
    """
    if re.search(r"[\r\n\0]|\$\{", path):
        raise UsageError(f"ssh cannot be told the path {path!r}", "Use a path without line breaks and without ${.")
    return '"' + path.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"') + '"'


def include_line(path: str) -> str:
    """The line that includes the ssh_config at `path`. Include expands no tokens, so `%` stays single there."""
    return "Include " + quote_path(path).replace("%%", "%")


def config_entry(target: Target, connect: Sequence[str]) -> str:
    """An ssh_config entry for `ssh spotbox-NAME`. `connect` is the command that finds the box and pipes to it.

    UsageError where it cannot be written: one entry that ssh refuses makes it refuse the whole file.
    """
    proxy = shell(connect).replace("%", "%%")
    # ssh looks for the end of quotes in this line too, and there a backslash takes the quote after it away.
    if re.search(r"[\r\n\0]|\\['\"]", proxy):
        raise UsageError(
            f"ssh_config cannot hold the command {proxy!r}", "Use paths and names without line breaks and backslashes."
        )
    lines = [
        begin(target.name),
        f"Host spotbox-{target.name}",
        f"    HostName {target.alias}",
        f"    User {check_login(target.user)}",
        *(f"    {key} {value}" for key, value in options(target).items() if key != "ConnectTimeout"),
        f"    ProxyCommand {proxy}",
        end(target.name),
    ]
    return "\n".join(lines) + "\n"


def begin(name: str) -> str:
    """First line of a box's entry."""
    return f"# spotbox-{name}: written by spotbox, changes are lost"


def end(name: str) -> str:
    """Last line of a box's entry."""
    return f"# end of spotbox-{name}"


def replace_entry(config: str, name: str, entry: str) -> str:
    """The config with this box's entry replaced, added, or (empty `entry`) removed; other text is untouched."""
    text = config if config.endswith("\n") or not config else config + "\n"
    return _entry(name).sub("", text) + entry


def is_about(config: str, name: str, aliases: Collection[str], connect: Sequence[str]) -> bool:
    """Whether the entry of that name is one of these instances', or finds its box by these last words of a command.

    An instance's id is nobody else's; a box that AWS launched again has another than its entry says.
    """
    found = _entry(name).search(config)
    lines = [line.strip() for line in found[0].splitlines()] if found else []
    ends = f" {shell(connect)}".replace("%", "%%")
    return any(
        line.removeprefix("HostName ") in aliases or (line.startswith("ProxyCommand ") and line.endswith(ends))
        for line in lines
    )


def _entry(name: str) -> re.Pattern[str]:
    return re.compile(rf"^{re.escape(begin(name))}\n.*?^{re.escape(end(name))}\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class HostKeys:
    """What a console log says of the box's identity: whole public keys, or at least SHA256 fingerprints."""

    keys: tuple[str, ...] = ()  # "ssh-ed25519 AAAA..."
    fingerprints: frozenset[str] = frozenset()  # "SHA256:..."


def parse_host_keys(console: str) -> HostKeys:
    """Host keys that cloud-init printed on first boot (EC2 User Guide, "Get the instance fingerprint").

    Lines may carry cloud-init's `ec2: ` prefix, kernel noise between them, and CR LF ends. The last whole block counts.
    """
    keys = [line for line in _block(console, "KEYS") if _is_key(line)]
    prints = re.findall(r"SHA256:[A-Za-z0-9+/]{43}", "\n".join(_block(console, "FINGERPRINTS")))
    return HostKeys(tuple(" ".join(key.split()[:2]) for key in keys), frozenset(prints))


def _block(console: str, what: str) -> list[str]:
    found = re.findall(
        rf"-----BEGIN SSH HOST KEY {what}-----(.*?)-----END SSH HOST KEY {what}-----", console, re.DOTALL
    )
    # A block that was cut off before another began is no part of that one.
    lines = re.split(rf"-----BEGIN SSH HOST KEY {what}-----", found[-1])[-1].splitlines() if found else []
    return [re.sub(r"^.*?ec2: ", "", line).strip() for line in lines]


def _is_key(line: str) -> bool:
    parts = line.split()
    if len(parts) < 2 or not re.fullmatch(r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521))", parts[0]):
        return False
    try:
        return base64.b64decode(parts[1], validate=True)[4:].startswith(parts[0].encode())
    except ValueError:  # a byte of kernel noise within the key, or no base64
        return False


def fingerprint(key: str) -> str:
    """`SHA256:...` of a public key line, as OpenSSH prints it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def known_hosts_lines(alias: str, keys: Sequence[str]) -> str:
    """known_hosts text for these keys under the alias."""
    return "".join(f"{alias} {key}\n" for key in keys)
