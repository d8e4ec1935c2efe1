"""spotbox config init: the questions, the difference they make to the file, and the writing of it."""

import difflib
import re
from collections.abc import Callable
from pathlib import Path

from spotbox.app import DEFAULT_REGION, App
from spotbox.config import read_bounded, read_config, write_private
from spotbox.core.configtext import set_defaults
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.names import key_fingerprint
from spotbox.core.regions import ALWAYS_ENABLED
from spotbox.core.settings import Settings, Value
from spotbox.core.text import safe
from spotbox.core.units import parse_bid, parse_duration, parse_size
from spotbox.options import load_settings
from spotbox.recall import known_regions
from spotbox.resources import template_path

OFF, NONE = "off", "none"
_TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")  # EC2's names of instance types, such as g5.xlarge


def write_sample(app: App, file: Path) -> None:
    """A commented file with the built-in defaults. SpotboxError where there is one: it is never overwritten unasked."""
    if file.exists() or file.is_symlink():
        raise SpotboxError(
            f"there is a config file already: {safe(file)}",
            "It stays as it is. Change it on a terminal with: spotbox config init",
        )
    _write(file, template_path("config.toml").read_text(encoding="utf-8"))
    app.remark(f"wrote {safe(file)}: a sample in which nothing is set yet")


def ask_and_write(app: App, file: Path) -> None:
    """Ask for each setting, show what changes, ask once, write. What was there before is kept beside it."""
    there = file.exists()
    settings = load_settings((file, False), None)  # UsageError where the file means nothing: it is not ours to mend
    before = file.read_bytes() if there else b""
    old = before.decode("utf-8-sig").replace("\r\n", "\n")
    new = set_defaults(
        old or template_path("config.toml").read_text(encoding="utf-8"), _answers(app, settings), safe(file)
    )
    if new == old:
        app.remark(f"{safe(file)} says so already")
        return
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "now", "then", lineterm="", n=0)
    for line in lines if there else filter(_in_force, new.splitlines()):
        app.remark(f"  {safe(line)}")
    if not app.prompts.confirm(f"Write {safe(file)}?", True, "-y"):
        raise SpotboxError("nothing was written, as you said")
    if (file.read_bytes() if file.exists() else b"") != before:
        raise SpotboxError(f"{safe(file)} was changed meanwhile", "Nothing was written. Try again.")
    app.looks_here = "spotbox config"
    if there:
        _write(file.with_name(f"{file.name}.bak"), before.decode())
        app.remark(f"what was there before is in {safe(file)}.bak")
    _write(file, new.replace("\n", "\r\n") if b"\r\n" in before else new)
    read_config(file, True)
    app.remark(f"wrote {safe(file)}")
    app.remark("what is in force: spotbox config")


def _in_force(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _write(file: Path, text: str) -> None:
    """Whole or not at all, for its owner alone; through a link to the file that it leads to."""
    write_private(file.resolve(), text)


def _answers(app: App, settings: Settings) -> dict[str, Value | None]:
    """What the user says to each question; None takes the setting out of [defaults]. What is in force is proposed."""
    now = settings.defaults
    answers: dict[str, Value | None] = {"region": _region(app, now.get("region"))}
    answers |= _machine(app, now.get("instance-type"), _one(now.get("gpu")))
    bid = _ask(app, "Maximum price (on-demand, NN% of it, or USD per hour)", _one(now.get("max-price")), "on-demand",
               parse_bid, "--max-price")  # fmt: skip
    disk = _ask(app, "Disk in GiB", _one(now.get("disk-size")), "100", parse_size, "--disk-size")
    idle = _ask(app, "Stop when idle for (such as 2h; off: never)", _one(now.get("idle-stop")), OFF,
                lambda text: text == OFF or parse_duration(text), "--idle-stop")  # fmt: skip
    key = _ask(app, "SSH public key (a file; none: a key of spotbox's own)", _one(now.get("key")), NONE,
               _check_key, "--key")  # fmt: skip
    return answers | {"max-price": bid, "disk-size": disk, "idle-stop": idle, "key": key}


def _one(value: Value | None) -> str | None:
    return ", ".join(value) if isinstance(value, list) else value if isinstance(value, str) else None


def _region(app: App, now: Value | None) -> Value:
    """A region, or the regions that the file names already."""
    rows: list[tuple[str, Value]] = [(name, name) for name in known_regions(app.store) or ALWAYS_ENABLED]
    if now and not any(now == value for _, value in rows):
        rows.insert(0, (_one(now) or "", now))
    default = now or (None if app.sandbox else app.cloud.default_region())
    known = any(default == value for _, value in rows)
    found: Value = app.prompts.choose("Region", rows, default if known else DEFAULT_REGION, "-r")
    return found


def _machine(app: App, types: Value | None, gpu: str | None) -> dict[str, Value | None]:
    """Instance types or a GPU; neither leaves it to `up`."""
    default = _one(types) or gpu or "cheapest"
    text = app.prompts.text("Instance types or GPU (such as g5.xlarge or A10G)", default, _no_types, "-t").strip()
    if text == "cheapest" or not text:
        return {"instance-type": None, "gpu": None}
    names = [word.strip() for word in text.split(",")]
    if not all(_TYPE.fullmatch(name) for name in names):
        return {"instance-type": None, "gpu": text}
    return {"instance-type": names if len(names) > 1 else names[0], "gpu": None}


def _no_types(text: str) -> str | None:
    words = [word.strip() for word in text.split(",")]
    typed = [bool(_TYPE.fullmatch(word)) for word in words]
    if any("." in word and not fits for word, fits in zip(words, typed, strict=True)) or (any(typed) != all(typed)):
        return "Give instance types such as g5.xlarge, separated by commas, or one GPU such as A10G."
    return None if all(typed) or len(words) == 1 else "Give one GPU, or instance types."


def _ask(app: App, question: str, now: str | None, default: str, parse: Callable[[str], object], flag: str) -> (
    str | None
):  # fmt: skip
    """One line; None where the answer is the built-in default and the file did not say so."""

    def check(answer: str) -> str | None:
        try:
            parse(answer.strip())
        except UsageError as error:
            return f"{error.message}. {error.hint}"
        return None

    answer = app.prompts.text(question, now or default, check, flag).strip()
    return None if answer == default and now != default else answer


def _check_key(text: str) -> None:
    """UsageError where there is no public key of OpenSSH at that path."""
    if text == NONE:
        return
    try:
        key_fingerprint(read_bounded(Path(text).expanduser()).decode())
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"cannot read {safe(text)}", "Give a public key, such as ~/.ssh/id_ed25519.pub.") from None
