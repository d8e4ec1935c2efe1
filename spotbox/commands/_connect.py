"""How a box is reached: its key, its host key, its ssh_config entry, and who may come in."""

import contextlib
import fcntl
import sys
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

from spotbox.app import App
from spotbox.config import write_private
from spotbox.core import sshtext
from spotbox.core.boxes import Box
from spotbox.core.errors import SpotboxError
from spotbox.core.names import auto_rule, key_fingerprint
from spotbox.core.plans import plan_admit
from spotbox.core.records import Rule
from spotbox.core.states import State
from spotbox.core.steps import Admit
from spotbox.core.text import safe, shell
from spotbox.core.waiting import Look, wait

OWN_KEY = "spotbox_ed25519"
CONSOLE_WAIT = 45  # seconds; AWS posts the console output shortly after a transition, sometimes minutes
HEADER = "# Written by spotbox; included from ~/.ssh/config. `ssh spotbox-NAME` reaches a box.\n"


def own_key(app: App) -> tuple[Path, str]:
    """spotbox's own key on this machine: private path and public line; made where there is none."""
    path = app.places.keys / OWN_KEY
    public = path.with_name(f"{OWN_KEY}.pub")
    if not (path.exists() and public.exists()):
        app.system.need_ssh()
        with locked(app.places.keys / ".lock"):
            if not path.exists():
                app.system.make_key(path)
            elif not public.exists():  # it may be deleted; the private half knows it
                app.system.make_public(path)
    path.chmod(0o600)
    return path, public.read_text(encoding="utf-8").strip()


def private_key(app: App, box: Box) -> Path | None:
    """The private half of the box's key, if it lies where spotbox keeps keys; its name tells its fingerprint."""
    wanted = key_of(box)
    for public in sorted(app.places.keys.glob("*.pub")):
        with contextlib.suppress(OSError, SpotboxError, UnicodeDecodeError):
            if key_fingerprint(public.read_text(encoding="utf-8")) == wanted:
                link = public.with_suffix(".path")
                private = Path(link.read_text(encoding="utf-8")) if link.exists() else public.with_suffix("")
                if private.exists():
                    return private
    return None


def key_of(box: Box) -> str:
    """The fingerprint of the box's key, which the key pair's name carries."""
    return (box.instance.key_name or "").rsplit("-", 1)[-1] if box.instance else ""


def in_agent(app: App, box: Box) -> str:
    """The public half of the box's key, where the running ssh-agent holds it; else empty."""
    for public in app.system.agent_keys():
        with contextlib.suppress(SpotboxError):
            if key_fingerprint(public) == key_of(box):
                return public
    return ""


def _agent_half(app: App, box: Box) -> Path | None:
    """A file with the public half of the box's key, which the running ssh-agent holds; None where that does not hold.

    It tells ssh which of the agent's keys it is (ssh_config(5), IdentityFile): an agent may hold more than the six
    that sshd lets one try (sshd_config(5), MaxAuthTries).
    """
    public = in_agent(app, box)
    if not public:
        return None
    half = app.places.keys / "agent" / f"{key_of(box)}.pub"
    with contextlib.suppress(OSError):  # a full disk, say: then ssh tries all keys of the agent
        if read_text(half) != f"{public}\n":
            write_private(half, f"{public}\n")
    return half if half.exists() else None


def remember_key(app: App, public_line: str, private: Path) -> None:
    """Note where the private half of a --key lies, so that ssh finds it."""
    name = f"key-{key_fingerprint(public_line)}"
    write_private(app.places.keys / f"{name}.pub", public_line + "\n")
    write_private(app.places.keys / f"{name}.path", str(private))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file while a shared file is read and written."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def spared(app: App, what: str) -> Iterator[None]:
    """Around the writing of files that ssh could do without: on a full disk, say, that is a remark. What becomes of a
    box that bills must not hang on it."""
    try:
        yield
    except OSError as error:
        app.progress.done()
        app.remark(safe(f"{what}: {error.strerror or error}"))


def target(app: App, box: Box) -> sshtext.Target | None:
    """Where to connect; None for a box without an address, or with one that cannot be an address."""
    if not box.instance or not box.instance.public_ip or box.instance.state != "running":
        return None
    if not sshtext.is_place(box.instance.public_ip, box.instance.id):
        return None
    host, port = app.ssh_target(box.instance.public_ip)
    key = private_key(app, box) or _agent_half(app, box)
    return sshtext.Target(
        name=box.name,
        host=host,
        port=port,
        user=box.user or "ubuntu",
        alias=box.instance.id,
        known_hosts=str(app.places.known_hosts),
        key=str(key) if key else None,
        checked=knows_host(app, box.instance.id),
    )


def command_line(app: App, box: Box) -> str | None:
    """The full ssh command line of a running box, to be pasted into a shell."""
    where = target(app, box)
    return shell(sshtext.ssh_command(where)) if where else None


def knows_host(app: App, alias: str) -> bool:
    """Whether the host key of this box is known on this machine."""
    try:
        lines = app.places.known_hosts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # absent, or damaged
        return False
    return any(line.split(" ", 1)[0] == alias for line in lines)


def learn_host(app: App, box: Box, timeout: float) -> bool:
    """Learn the box's host key from its console output, so that the first connection is already proven.

    Where the log has fingerprints only, what the server shows is compared with them. False where AWS gives neither.
    SpotboxError where the server shows keys and none of them has such a fingerprint.
    """
    where = target(app, box)
    if where is None or where.checked:
        return where is not None

    wrong = False

    def see() -> Look[tuple[str, ...]]:
        nonlocal wrong
        found = sshtext.parse_host_keys(app.cloud.console(box.region, where.alias))
        keys = found.keys
        if not keys and found.fingerprints:
            shown = app.system.scan_host_keys(where.host, where.port)
            keys = tuple(key for key in shown if sshtext.fingerprint(key) in found.fingerprints)
            wrong = bool(shown) and not keys
        return Look(keys, bool(keys), "waiting for AWS to show the box's host key")

    try:
        found = wait(see, timeout, app.system.sleep, app.system.monotonic, app.progress.show)
    except SpotboxError as error:
        app.debug(f"no host key from the console output: {error.message}")
        return False
    if not found.done and wrong:
        raise SpotboxError(
            f"the host key that {safe(where.host)} shows is not the one that AWS tells of {box.name}",
            f"Something else may answer at that address: do not log in. Look with: spotbox status {box.name}",
        )
    if not found.done:
        return False
    told = f"the host key of {box.name}, which AWS tells, could not be kept, so that ssh takes the first key it sees"
    with spared(app, told), locked(app.places.known_hosts.with_name(".known_hosts.lock")):
        old = read_text(app.places.known_hosts)
        kept = "".join(line for line in old.splitlines(True) if not line.startswith(f"{where.alias} "))
        write_private(app.places.known_hosts, kept + sshtext.known_hosts_lines(where.alias, found.value))
    return True


def read_text(path: Path) -> str:
    """A file of the user's, whatever bytes it holds; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""


def connect_words(app: App, box: Box) -> list[str]:
    """The command that finds the box and pipes to it, for ssh_config's ProxyCommand."""
    words = ["env"]
    words += [f"SPOTBOX_HOME={home}"] if (home := app.env.get("SPOTBOX_HOME")) else []
    # -P: never import a `spotbox` that happens to lie in the folder where ssh is run.
    return [*words, sys.executable, "-P", "-m", *_finding(app, box.region, box.owner, box.name)]


def _finding(app: App, region: str, owner: str, name: str) -> list[str]:
    words = ["spotbox", *(["--sandbox"] if app.sandbox else [])]
    words += ["--profile", app.options.profile] if app.options.profile else []
    return [*words, "ssh", "--stdio", "-r", region, "--owner", owner, name]


def write_entry(app: App, box: Box) -> None:
    """Write (or, for a box that is no more, remove) the box's ssh_config entry.

    `spotbox-NAME` is the user's own box of that name: one of somebody whom --owner named has no entry.
    """
    where = target(app, box)
    if where is None:
        drop_entry(app, box.region, box.owner, box.name, {i.id for i in box.instances})
    elif app.is_own(box.owner):
        path, entry = app.places.ssh_config, sshtext.config_entry(where, connect_words(app, box))
        told = f"the ssh_config entry of {box.name} could not be written; `spotbox ssh {box.name}` needs none"
        with spared(app, told), locked(path.with_name(".ssh_config.lock")):
            write_private(path, sshtext.replace_entry(read_text(path) or HEADER, box.name, entry))


def drop_entry(app: App, region: str, owner: str, name: str, aliases: set[str]) -> None:
    """Remove the ssh_config entry of a box, which had these instances; one of another box of that name stays."""
    path = app.places.ssh_config
    with spared(app, _stays(name)):
        if not path.exists():
            return
        with locked(path.with_name(".ssh_config.lock")):
            old = read_text(path)
            if sshtext.is_about(old, name, aliases, _finding(app, region, owner, name)):
                write_private(path, sshtext.replace_entry(old, name, ""))


def _stays(name: str) -> str:
    return f"what ssh on this machine knows of {name} stays"


def forget_host(app: App, name: str, aliases: set[str]) -> None:
    """Drop the host keys of these instances of a box, which are gone."""
    path = app.places.known_hosts
    with spared(app, _stays(name)):
        if not path.exists():
            return
        with locked(path.with_name(".known_hosts.lock")):
            lines = read_text(path).splitlines(True)
            write_private(path, "".join(line for line in lines if line.split(" ", 1)[0] not in aliases))


def machine_rule(app: App, address: str) -> Rule:
    """The ingress rule that spotbox keeps for this machine's address."""
    bits = 32 if ip_address(address).version == 4 else 128
    return Rule(f"{address}/{bits}", auto_rule(app.system.machine()))


def admit_caller(app: App, box: Box) -> None:
    """Let this machine in where its address has changed since; says so. A failure to find out is only a remark."""
    for step in caller_steps(app, box):
        try:
            app.cloud.apply(step, app.progress.show)
        except SpotboxError as error:  # ssh may work all the same, by a rule that is not ours
            app.progress.done()
            app.remark(f"could not {step}: {error.message}")
            continue
        app.progress.done()
        app.remark(f"your address is now {safe(step.rule.cidr.partition('/')[0])}: {step}")


def caller_steps(app: App, box: Box) -> tuple[Admit, ...]:
    """What admits this machine's address; a remark where only others are admitted, as the user said. Nothing where the
    address cannot be found out."""
    try:
        address = app.own_address()
    except SpotboxError as error:
        app.debug(error.message)
        return ()
    steps = plan_admit(box, address, machine_rule(app, address))
    if not steps and box.state is State.RUNNING and box.groups:
        rules = box.groups[0].rules
        if not any(ip_address(address) in ip_network(rule.cidr) for rule in rules):
            app.remark(
                f"port 22 of {box.name} is open to {', '.join(r.cidr for r in rules)} only, as you asked, "
                f"not to {address}; add it with: spotbox up {box.name} --allow-cidr {address}/32"
            )
    return steps
