"""aws of a sandbox box: `aws s3 ls|cp|sync|rm` against the sandbox's S3, with the credentials of the instance profile.

Run as a program on the box: `python -I -S aws.py s3 sync ~/ckpt s3://bucket/prefix`. Options, words and exit codes are
those of the AWS CLI 2; the rest of it is not here.
"""

import argparse
import fnmatch
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from s3client import Client, NoCredentials, Refused

USAGE, FAILED, NO_CREDENTIALS = 252, 1, 253  # exit codes of the AWS CLI 2, "Return codes"
NOT_HERE = "the aws of a sandbox box knows `s3 ls`, `s3 cp`, `s3 sync` and `s3 rm`"
IGNORED_FLAGS = ("--no-progress", "--no-cli-pager", "--no-paginate", "--no-follow-symlinks", "--follow-symlinks")
IGNORED_OPTIONS = ("--output", "--cli-read-timeout", "--cli-connect-timeout", "--color", "--sse", "--storage-class")


class Item(NamedTuple):
    """A file or an object: its name below the folder or prefix, where it is, bytes, and seconds since 1970."""

    name: str
    place: str
    size: int
    changed: float


class Fatal(Exception):
    """What ends the command; the text is for stderr, `code` the exit code."""

    def __init__(self, text: str, code: int = FAILED):
        super().__init__(text)
        self.code = code


def parser() -> argparse.ArgumentParser:
    """The options that are understood; those that change nothing here are taken and left."""

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise Fatal(f"aws: error: {message} ({NOT_HERE})", USAGE)

    found = Parser(prog="aws", add_help=True, allow_abbrev=False)
    found.add_argument("service", choices=["s3"])
    found.add_argument("command", choices=["ls", "cp", "sync", "rm"])
    found.add_argument("paths", nargs="*")
    for flag in ("--recursive", "--delete", "--quiet", "--only-show-errors", "--size-only", "--exact-timestamps"):
        found.add_argument(flag, action="store_true")
    found.add_argument("--dryrun", action="store_true")
    found.add_argument("--region")
    found.add_argument("--exclude", dest="filters", action="append", type=lambda text: (False, text), default=[])
    found.add_argument("--include", dest="filters", action="append", type=lambda text: (True, text))
    for flag in IGNORED_FLAGS:
        found.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    for option in IGNORED_OPTIONS:
        found.add_argument(option, help=argparse.SUPPRESS)
    return found


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket:
        raise Fatal(f"aws: error: Invalid S3 path: {uri}", USAGE)
    return bucket, key


def is_remote(path: str) -> bool:
    """Whether a path is in S3."""
    return path.startswith("s3://")


class S3:
    """One run of the command."""

    def __init__(self, args: argparse.Namespace, client: Client):
        self.args = args
        self.client = client
        self.failed = self.warned = False

    def say(self, text: str) -> None:
        """One line for what was done, unless the user wants it quiet."""
        if not (self.args.quiet or self.args.only_show_errors):
            sys.stdout.write(("(dryrun) " if self.args.dryrun else "") + text + "\n")

    # Looking

    def remote(self, uri: str) -> Iterator[Item]:
        """The objects below a prefix."""
        bucket, prefix = split(uri)
        for key, size, when in self.client.list(bucket, prefix):
            name = key[len(prefix) :].lstrip("/")
            if when and name and not name.endswith("/"):
                yield Item(name, f"s3://{bucket}/{key}", size, when.timestamp())

    def local(self, folder: str) -> Iterator[Item]:
        """The files below a folder; symbolic links are followed, what cannot be read is told and passed over."""
        for root, folders, files in os.walk(folder, followlinks=True):
            folders.sort()
            for file in sorted(files):
                path = os.path.join(root, file)
                try:
                    info = os.stat(path)
                except OSError:
                    self.warn(f"warning: Skipping file {path}. File does not exist.")
                    continue
                if not stat.S_ISREG(info.st_mode):  # reading a pipe would wait for its writer
                    what = "File is character special device, block special device, FIFO, or socket."
                    self.warn(f"warning: Skipping file {path}. {what}")
                    continue
                yield Item(os.path.relpath(path, folder).replace(os.sep, "/"), path, info.st_size, info.st_mtime)

    def warn(self, text: str) -> None:
        """Something failed, or was left out: the command goes on, and ends with 1, or 2 (AWS CLI, "Return codes")."""
        self.failed |= not text.startswith("warning: ")
        self.warned = True
        sys.stderr.write(text + "\n")

    def items(self, path: str) -> dict[str, Item]:
        """What lies below a path, by name, without what the filters leave out; the last filter that fits decides."""
        slash = path if path.endswith("/") or not path.removeprefix("s3://").partition("/")[2] else f"{path}/"
        found = self.remote(slash) if is_remote(path) else self.local(path)
        kept = {}
        for item in found:
            fits = [include for include, pattern in self.args.filters if fnmatch.fnmatch(item.name, pattern)]
            if not fits or fits[-1]:
                kept[item.name] = item
        return kept

    # Doing

    def copy(self, source: str, target: str) -> None:
        """Bring one file or object to where it is wanted; `-` is stdin or stdout."""
        if is_remote(source) and is_remote(target):
            self.client.copy(*split(source), *split(target))
        elif is_remote(source):
            self.download(source, target)
        elif source == "-":
            content = sys.stdin.buffer.read()
            self.client.put(*split(target), content, len(content))
        else:
            with open(source, "rb") as file:
                self.client.put(*split(target), file, os.fstat(file.fileno()).st_size)

    def download(self, source: str, target: str) -> None:
        """An object to a file, whole or not at all and with the object's time, or to stdout."""
        if target == "-":
            self.client.get(*split(source), sys.stdout.buffer)
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        partial = f"{target}.{os.getpid():x}"
        try:
            with open(partial, "wb") as file:
                changed = self.client.get(*split(source), file)
            os.utime(partial, (changed, changed))
            os.replace(partial, target)
        finally:
            if os.path.exists(partial):
                os.unlink(partial)

    def carry(self, source: str, target: str) -> None:
        """`copy`, told as the AWS CLI tells it. What fails is told, and the rest goes on."""
        if is_remote(source) == is_remote(target):
            word = "copy"
        else:
            word = "download" if is_remote(source) else "upload"
        try:
            if not self.args.dryrun:
                self.copy(source, target)
        except FileNotFoundError:
            self.warn(f"{word} failed: {source} to {target} The user-provided path {source} does not exist.")
        except OSError as error:
            self.warn(f"{word} failed: {source} to {target} {error}")
        else:
            if "-" not in (source, target):
                self.say(f"{word}: {source} to {target}")

    def cp(self, source: str, target: str) -> None:
        """One object, or with --recursive all below a prefix."""
        if not (is_remote(source) or is_remote(target)):
            raise Fatal("aws: error: Invalid argument type", USAGE)
        if self.args.recursive:
            for item in self.items(source).values():
                self.carry(item.place, joined(target, item.name))
            return
        last = os.path.basename(source.rstrip("/"))
        into = target.endswith("/") or (is_remote(target) and not split(target)[1])
        into = into or (not is_remote(target) and os.path.isdir(target))
        if is_remote(source) and not split(source)[1]:
            raise Fatal(f"aws: error: no key in {source}", USAGE)
        self.carry(source, joined(target, last) if into else target)

    def sync(self, source: str, target: str) -> None:
        """What is new or changed goes over; with --delete what the source does not have goes away."""
        if not is_remote(source) and not os.path.isdir(source):
            raise Fatal(f"The user-provided path {source} does not exist.", 255)
        have, there = self.items(source), self.items(target)
        for name, item in have.items():
            if name not in there or self.differs(item, there[name], is_remote(source)):
                self.carry(item.place, joined(target, name))
        for name in (set(there) - set(have)) if self.args.delete else ():
            self.delete(there[name].place)

    def differs(self, item: Item, other: Item, down: bool) -> bool:
        """Whether sync takes a file over: another size, or by the times (AWS CLI, s3 sync)."""
        if item.size != other.size or self.args.size_only:
            return item.size != other.size
        newer = int(item.changed) - int(other.changed)
        if down:
            return newer != 0 if self.args.exact_timestamps else newer < 0
        return newer > 0

    def delete(self, place: str) -> None:
        """Delete one file or object."""
        if not self.args.dryrun and is_remote(place):
            self.client.delete(*split(place))
        elif not self.args.dryrun:
            os.unlink(place)
        self.say(f"delete: {place}")

    def rm(self, path: str) -> None:
        """Delete one object, or with --recursive all below a prefix."""
        for place in [item.place for item in self.items(path).values()] if self.args.recursive else [path]:
            self.delete(place)

    def ls(self, path: str = "s3://") -> None:
        """Buckets, or what is directly below a prefix; nothing there ends with 1."""
        if path in ("s3://", ""):
            for name, made in self.client.buckets():
                sys.stdout.write(f"{made:%Y-%m-%d %H:%M:%S} {name}\n")
            return
        bucket, prefix = split(path)
        found = 0
        for key, size, when in self.client.list(bucket, prefix, "" if self.args.recursive else "/"):
            found += 1
            name = key if self.args.recursive else key.rstrip("/").rpartition("/")[2]
            told = f"{when:%Y-%m-%d %H:%M:%S} {size:>10} {name}" if when else f"{'PRE':>30} {name}/"
            sys.stdout.write(f"{told}\n")
        if prefix and not found:
            raise Fatal("")


def joined(folder: str, name: str) -> str:
    """A name below a folder or prefix."""
    return f"{folder.rstrip('/')}/{name}"


def run(argv: list[str]) -> int:
    """Carry out one command; gives the exit code."""
    args = parser().parse_intermixed_args(argv)
    wanted = {"ls": (0, 1), "rm": (1, 1), "cp": (2, 2), "sync": (2, 2)}[args.command]
    if not wanted[0] <= len(args.paths) <= wanted[1]:
        raise Fatal("aws: error: the following arguments are required: paths", USAGE)
    paths = [f"s3://{path}" if args.command == "ls" and not is_remote(path) else path for path in args.paths]
    try:
        s3 = S3(args, Client(args.region or os.environ.get("AWS_DEFAULT_REGION", "us-east-1")))
        getattr(s3, args.command)(*paths)
    except NoCredentials as error:
        if args.command == "ls":
            text = 'Unable to locate credentials. You can configure credentials by running "aws configure".'
            raise Fatal(text, NO_CREDENTIALS) from error
        raise Fatal("fatal error: Unable to locate credentials") from error
    except Refused as error:
        raise Fatal(f"fatal error: {error}") from error
    except OSError as error:
        raise Fatal(f"fatal error: Could not connect to the endpoint URL: {error}") from error
    return FAILED if s3.failed else 2 * s3.warned


def main(argv: list[str]) -> int:
    """See the module."""
    if argv == ["--version"]:
        sys.stdout.write("aws-cli/2 of a sandbox box\n")
        return 0
    try:
        code = run(argv)
        sys.stdout.flush()
        return code
    except Fatal as fatal:
        sys.stderr.write(f"{fatal}\n" if str(fatal) else "")
        return fatal.code
    except (BrokenPipeError, KeyboardInterrupt):
        return 130


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # a stdout that nobody reads would only be told of again
