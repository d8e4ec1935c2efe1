"""What of a folder goes to a training job: what is never taken, which script is started, and how much it may be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from spotbox.core.errors import UsageError
from spotbox.core.scriptmode import check_program
from spotbox.core.text import plural, safe

MOST_BYTES = 200 * 1024 * 1024  # of code, unpacked: data belongs into an input
MOST_FILES = 50_000
NEVER = frozenset({".git", ".hg", ".svn", "__pycache__", ".venv", ".ipynb_checkpoints", ".DS_Store"})
_SECRETS = (
    *(".env", ".env.*", ".envrc", "*.pem", "*.key", "*.p12", "*.pfx", "*.ppk", ".netrc", ".pypirc", ".git-credentials"),
    *(".aws", ".ssh", ".gnupg", ".kube", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"),
)
IGNORE_OWN, IGNORE_GIT = ".spotboxignore", ".gitignore"
_SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Contents:
    """What is packed of a script or folder, by path within it, `/` between; sizes in bytes.

    `links` are symbolic links with where they point, both within. `secrets` and `skipped` were left out, and are told.
    """

    root: str  # the folder, absolute
    program: str
    files: tuple[tuple[str, int], ...]
    links: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()  # with why

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(size for _, size in self.files)

    @property
    def top(self) -> tuple[str, ...]:
        """The names that lie directly in the folder."""
        return tuple(sorted({path.partition("/")[0] for path, _ in (*self.files, *self.links)}))

    def remarks(self) -> tuple[str, ...]:
        """What was left out that its user may miss, one line for each kind."""
        said = []
        if self.secrets:
            names = _names(self.secrets)
            said.append(f"left out, as it looks secret: {names} (a line !NAME in {IGNORE_OWN} takes it along)")
        for why in dict.fromkeys(why for _, why in self.skipped):
            said.append(f"left out, {why}: {_names([path for path, other in self.skipped if other == why])}")
        return tuple(said)


def is_never(name: str) -> bool:
    """Whether a file or folder of this name goes nowhere: version control, caches, virtual environments."""
    return name in NEVER


def is_secret(name: str) -> bool:
    """Whether a file or folder of this name, or a pattern of such names, is for secrets."""
    return any(fnmatchcase(name, pattern) for pattern in _SECRETS)


def entry_script(names: Iterable[str], folder: str) -> str:
    """The script of a folder that is started: `train.py`, else its only .py, else `main.py`.

    `names` are those of the files directly in it. UsageError names what there is.
    """
    scripts = sorted(name for name in names if name.endswith(".py") and name != "setup.py")
    if "train.py" in scripts:
        return "train.py"
    if len(scripts) == 1:
        return check_program(scripts[0])
    if "main.py" in scripts:
        return "main.py"
    has = f"has {_names(scripts)}" if scripts else "has no Python script"
    raise UsageError(
        f"{safe(folder)} has no train.py: which script is to be started? It {has}",
        "Name the one to start train.py or main.py; it may import the others.",
    )


def check_amount(files: Sequence[tuple[str, int]]) -> None:
    """UsageError where the files are more than code is; the largest are named."""
    size = sum(size for _, size in files)
    if size <= MOST_BYTES and len(files) <= MOST_FILES:
        return
    largest = sorted(files, key=lambda one: (-one[1], one[0]))[:_SHOWN]
    names = ", ".join(f"{safe(path)} ({show_size(size)})" for path, size in largest)
    raise UsageError(
        f"{plural(len(files), 'file')} of {show_size(size)} are too much code; the largest: {names}",
        f"List what the script does not need in {IGNORE_OWN}; put data into S3 and give it with --input NAME=s3://...",
    )


def code_uri(output: str, sha256: str) -> str:
    """Where the packed code lies under the job's output; the same code has the same place."""
    return f"{output.rstrip('/')}/spotbox-code/{sha256}/sourcedir.tar.gz"


def show_size(size: int) -> str:
    """`312 B`, `4.2 KiB`, `1.0 MiB`: bytes as they are read."""
    if size < 1024:
        return f"{size} B"
    amount, unit = size / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.1f} {unit}"


def _names(paths: Sequence[str]) -> str:
    shown = ", ".join(safe(path) for path in paths[:_SHOWN])
    return shown if len(paths) <= _SHOWN else f"{shown} and {len(paths) - _SHOWN} more"
