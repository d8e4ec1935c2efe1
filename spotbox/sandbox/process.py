"""Starting, finding and ending the sandbox's process, and talking to it. Standard library only, and little of it."""

import json
import os
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.sandbox.lock import READY_WITHIN, Lock

ACCESS_KEY = "AKIASANDBOXSANDBOX00"
SECRET_KEY = "sandbox-secret-key-that-opens-nothing-at-all"  # noqa: S105 - it opens a sandbox on loopback, and is no secret
REGION = "us-east-1"
PROTOCOL = 1  # of state.json and the control calls; another one is another release's sandbox
_INSTALL = "pip install 'spotbox[sandbox]'"


@dataclass(frozen=True)
class Endpoint:
    """A running sandbox: where it answers, and the keys that its own calls are signed with."""

    url: str
    pid: int
    region: str = REGION
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    nonce: str = ""
    config: str = os.devnull  # an AWS config file with an empty default profile, so that AWS_PROFILE can name one


def write_private(path: Path, text: str) -> None:
    """Write a file that only the user can read, whole or not at all."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    os.replace(new, path)


def running(home: Path) -> Endpoint | None:
    """The sandbox of this folder, if one answers there with the secret of its state file."""
    endpoint = _recorded(home)
    if endpoint is None:
        return None
    try:
        _post(endpoint, "status", {}, timeout=2)
    except (OSError, ValueError, SpotboxError):
        return None
    return endpoint


def _recorded(home: Path) -> Endpoint | None:
    try:
        state = json.loads((home / "state.json").read_text())
        if state["protocol"] != PROTOCOL:
            return None
        config = str((home / "aws-config").resolve())
        return Endpoint(url=str(state["url"]), pid=int(state["pid"]), nonce=str(state["nonce"]), config=config)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def ensure(home: Path) -> Endpoint:
    """The sandbox of this folder, started when none runs; safe when many processes ask at once.

    Raises SpotboxError when the sandbox extra is not installed, or with the log's last line when it dies at its start.
    """
    found = running(home)
    if found:
        return found
    with Lock(home) as lock:
        return running(home) or _start(home, lock)


def _start(home: Path, lock: int) -> Endpoint:
    """Start the process, which holds the lock too until it answers: whoever starts it may be gone by then."""
    import importlib.util
    import subprocess

    if not all(map(importlib.util.find_spec, ("moto", "flask", "asyncssh"))):
        raise SpotboxError("the sandbox is not installed", _INSTALL)
    _end_recorded(home)  # one that no longer answers, or is of another release
    (home / "state.json").unlink(missing_ok=True)
    write_private(home / "aws-config", f"[default]\nregion = {REGION}\n")
    with (home / "start.log").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "spotbox.sandbox.server", str(home.resolve()), str(lock)],
            cwd="/",
            env=_scrubbed(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock],
        )
    try:
        return _ready(home, process)
    except BaseException:  # what is cut off is to leave nothing
        process.kill()
        raise


def _ready(home: Path, process: Any) -> Endpoint:
    """The sandbox that this process is, once it answers."""
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until and process.poll() is None:
        if found := running(home):
            return found
        time.sleep(0.03)
    raise SpotboxError(f"the sandbox did not start: {_last_words(home)}", f"its log is {home / 'log'}")


def _scrubbed() -> dict[str, str]:
    """The environment of the process: none of the caller's AWS settings or proxies, and this spotbox to import."""
    kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(("AWS_", "BOTO", "MOTO_"))}
    kept = {k: v for k, v in kept.items() if not k.lower().endswith("_proxy") and not k.startswith("PYTHON")}
    kept["PYTHONPATH"] = str(Path(__file__).parent.parent.parent)
    return kept


def _last_words(home: Path) -> str:
    """The last line of what the process said, made printable."""
    for name in ("start.log", "log"):
        try:
            lines = [line for line in (home / name).read_text(errors="replace").splitlines() if line.strip()]
        except OSError:
            continue
        if lines:
            return "".join(c if c.isprintable() else "?" for c in lines[-1][-300:])
    return "it said nothing"


def stop(home: Path) -> bool:
    """End the sandbox of this folder; its state stays for the next start. False if none ran."""
    with Lock(home) if home.exists() else nullcontext():
        return _end(home)


def reset(home: Path) -> None:
    """End the sandbox of this folder and forget everything in it; a running one is started again, empty."""
    import shutil

    with Lock(home) if home.exists() else nullcontext(-1) as lock:
        was_running = _end(home)
        for name in ("boxes", "volumes", "snapshots", "jobs", "state.pickle", "state.json"):
            path = home / name
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if was_running:
            _start(home, lock)


def _end(home: Path) -> bool:
    found = running(home)
    if found is None:
        return False
    _end_recorded(home)
    return True


def _end_recorded(home: Path) -> None:
    """Ask the process of the state file to end, and wait for it; only if it answers to the file's secret."""
    import signal

    endpoint = _recorded(home)
    if endpoint is None or running(home) is None:
        return
    os.kill(endpoint.pid, signal.SIGTERM)
    until = time.monotonic() + 10
    while time.monotonic() < until and _alive(endpoint.pid):
        time.sleep(0.03)
    if _alive(endpoint.pid):
        os.kill(endpoint.pid, signal.SIGKILL)


def _alive(pid: int) -> bool:
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:  # our own child leaves a body behind
            return False
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def call(endpoint: Endpoint, verb: str, **args: Any) -> dict[str, Any]:
    """Do a control verb of the sandbox, see control.VERBS: status, interrupt, capacity, price, fault, weather, ...

    Raises UsageError with the sandbox's own sentence where it refuses, SpotboxError 7 where it has no such box, and 1
    where it does not answer.
    """
    try:
        return _post(endpoint, verb, {k: v for k, v in args.items() if v is not None}, timeout=30)
    except (OSError, ValueError) as error:
        raise SpotboxError(f"the sandbox does not answer: {error}", "spotbox sandbox start") from error


def _post(endpoint: Endpoint, verb: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
    """One control call over a plain socket: http.client alone would double the import time of this module."""
    import socket

    host, port = endpoint.url.removeprefix("http://").split(":")
    raw = json.dumps(body).encode()
    head = (
        f"POST /_sandbox/{verb} HTTP/1.0\r\nHost: {host}:{port}\r\nX-Sandbox-Nonce: {endpoint.nonce}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout) as connection:
        connection.sendall(head.encode() + raw)
        reply = b""
        while chunk := connection.recv(65536):
            reply += chunk
    top, _, text = reply.partition(b"\r\n\r\n")
    if b" 200 " not in (status := top.split(b"\r\n")[0]):
        try:
            told = json.loads(text)["error"]
        except (ValueError, KeyError):
            raise ValueError("it is not the sandbox that was started here") from None
        if b" 404 " in status:
            raise SpotboxError(told, "`spotbox sandbox status` shows what there is.", Exit.NO_SUCH_BOX)
        raise UsageError(told)
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("it is not a sandbox that answers")
    return found


def environment(endpoint: Endpoint) -> dict[str, str]:
    """What makes the AWS CLI and every SDK talk to the sandbox, and to nothing else.

    Set on top of any environment it wins: an AWS_PROFILE left over would not be found, and an endpoint of one service
    (AWS_ENDPOINT_URL_EC2) would go before AWS_ENDPOINT_URL, so those that are set now are turned to the sandbox too.
    """
    single = {name: endpoint.url for name in os.environ if name.startswith("AWS_ENDPOINT_URL_")}
    return single | {
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_USE_FIPS_ENDPOINT": "false",
        "AWS_USE_DUALSTACK_ENDPOINT": "false",
        "AWS_ACCESS_KEY_ID": endpoint.access_key,
        "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
        "AWS_SESSION_TOKEN": "",
        "AWS_SECURITY_TOKEN": "",
        "AWS_PROFILE": "default",
        "AWS_DEFAULT_PROFILE": "default",
        "AWS_DEFAULT_REGION": endpoint.region,
        "AWS_REGION": endpoint.region,
        "AWS_CONFIG_FILE": endpoint.config,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "SPOTBOX_SANDBOX": "1",
        "SPOTBOX_CHECKIP_URL": f"{endpoint.url}/_sandbox/checkip",
        "SPOTBOX_ADVISOR_URL": f"{endpoint.url}/spot-advisor-data.json",
    }


def ssh_target(address: str) -> tuple[str, int]:
    """Where the SSH server of a box listens, by its public address 127.1.HI.LO: the last two parts are the port.

    Only Linux answers on all of 127.0.0.0/8; elsewhere it is 127.0.0.1. Raises ValueError for another address.
    """
    parts = [int(part) for part in address.split(".")]
    if len(parts) != 4 or parts[:2] != [127, 1] or not all(0 <= part < 256 for part in parts):
        raise ValueError(f"{address} is no address of the sandbox")
    return (address if sys.platform == "linux" else "127.0.0.1"), parts[2] * 256 + parts[3]
