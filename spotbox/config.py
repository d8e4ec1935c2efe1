"""Where spotbox's local files lie, and the config file read from disk; its meaning is in core.settings."""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from spotbox import __version__
from spotbox.core.errors import UsageError
from spotbox.core.text import safe

MOST = 1024 * 1024  # bytes of a config file, of a key, of user data


@dataclass(frozen=True)
class Places:
    """The folders of spotbox's local files. All but the private keys are caches and preferences."""

    config: Path  # config.toml
    data: Path  # keys/, ssh_config, known_hosts
    cache: Path
    sandbox: Path

    @property
    def ledger(self) -> Path:
        """What was seen of boxes in passing: of help to `cost`, and to be deleted at any time."""
        return self.sandbox.parent / "ledger"

    @property
    def keys(self) -> Path:
        """The folder of the keys that spotbox makes."""
        return self.data / "keys"

    @property
    def ssh_config(self) -> Path:
        """The file that the user's own ssh_config includes."""
        return self.data / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The host keys of the boxes."""
        return self.data / "known_hosts"


def find_places(env: Mapping[str, str]) -> Places:
    """Under SPOTBOX_HOME where that is set, else the platform's own places."""
    if home := env.get("SPOTBOX_HOME"):
        root = Path(os.path.expanduser(home)).absolute()  # which leaves ~nobody alone; Path's own would raise
        return Places(root, root, root / "cache", root / "sandbox")
    from platformdirs import PlatformDirs

    dirs = PlatformDirs("spotbox", appauthor=False)
    return Places(dirs.user_config_path, dirs.user_data_path, dirs.user_cache_path, dirs.user_state_path / "sandbox")


def cache_folder(places: Places, env: Mapping[str, str], sandbox: bool) -> Path:
    """Where is kept what AWS was asked a while ago: the sandbox and every other endpoint have their own."""
    if sandbox:
        return places.cache / f"sandbox-{__version__}"
    ignored = env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    own = sorted(item for item in env.items() if item[0].startswith("AWS_ENDPOINT_URL") and item[1])
    name = f"endpoint-{sha256(repr(own).encode()).hexdigest()[:16]}" if own and not ignored else "aws"
    return places.cache / name


def read_config(path: Path, named: bool) -> dict[str, Any]:
    """The parsed TOML of the config file; empty where there is none, unless it was `named` by --config.

    UsageError for what cannot be read, is too large, or is no TOML. A byte order mark, as Windows writes it, is no part
    of the text.
    """
    try:
        text = _read(path, named).decode("utf-8-sig")
        import tomllib  # only where there is something to read

        return tomllib.loads(text)
    except FileNotFoundError:
        if named:
            raise UsageError(f"there is no config file {safe(path)}", "Check the path given with --config.") from None
        return {}
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, UnicodeDecodeError; a thousand brackets deep
        raise UsageError(f"{safe(path)} is not valid TOML: {safe(error)}", "Mend that line of the file.") from None
    except OSError as error:
        raise UsageError(
            f"cannot read {safe(path)}: {error.strerror}", "Check the path, and the file's permissions."
        ) from None


def _read(path: Path, named: bool) -> bytes:
    """All of a file. A pipe is read where it was `named` (`--config <(...)`): elsewhere nobody writes to it."""
    if not named and path.is_fifo():
        raise UsageError(f"cannot read {safe(path)}: it is a pipe", "Put a file there, or name the pipe with --config.")
    return read_bounded(path)


def read_bounded(path: Path) -> bytes:
    """A small file of the user's. OSError where it cannot be read, and where it is larger than any that is meant."""
    with path.open("rb") as file:
        data = file.read(MOST + 1)
    if len(data) > MOST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return data


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole or not at all, readable by its owner only. OSError where that fails (the old one stays)."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        # Bytes of the user's own file that are no UTF-8 were read as surrogates, and go back as they were.
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
