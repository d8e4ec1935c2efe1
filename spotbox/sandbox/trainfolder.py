"""The files of a training job: code and data from S3 before it runs, checkpoints both ways, the model to S3 after it.

A job's folder, whose name is the sandbox's own (never a name that a caller gave):
jobs/<folder>/logs/     its log streams, which stay
             algo-N/    ml (to the script /opt/ml), home, tmp, opt, hosts: of one instance, removed when the job is over
"""

import io
import json
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from spotbox.sandbox.boxfiles import remove_tree
from spotbox.sandbox.trainbucket import Bucket, NoObject, files, inside, relative, split
from spotbox.sandbox.trainenv import Place, Script, Unfit, checkpoint_parts, input_config, resource_config
from spotbox.sandbox.trainrecords import TrainJob

CODE_LIMIT = 2 << 30  # bytes that a code archive may unpack to
FOLDERS = ("input/config", "input/data", "model", "output/data", "output/intermediate", "code")


def prepare(job: TrainJob, host: str, place: Place) -> None:
    """Make an instance's folder anew, with the files that tell of the job."""
    remove_tree(place.root)
    for name in FOLDERS:
        (place.ml / name).mkdir(parents=True)
    for name in ("home", "tmp", "opt"):
        (place.root / name).mkdir()
    place.root.chmod(0o700)
    names = " ".join(job.hosts)
    (place.root / "hosts").write_text(f"127.0.0.1 localhost {names}\n::1 localhost\n")
    config = place.ml / "input" / "config"
    for name, content in (
        ("hyperparameters", job.request.get("HyperParameters") or {}),
        ("resourceconfig", resource_config(job, host)),
        ("inputdataconfig", input_config(job)),
    ):
        (config / f"{name}.json").write_text(json.dumps(content))


def fetch_code(script: Script, place: Place, bucket: Bucket) -> None:
    """Unpack the code. Raises Unfit where it is not there, or no archive that may be unpacked."""
    try:
        archive = bucket.read(*split(script.submit))
    except NoObject as error:
        raise Unfit(f"AlgorithmError: framework error: {error}, exit code: 1") from error
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:*") as tar:
            size = 0
            for member in tar:  # before anything is written
                size += member.size
                if size > CODE_LIMIT:
                    raise Unfit("ClientError: the code archive unpacks to more than the sandbox takes")
            tar.extractall(place.ml / "code", filter="data")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise Unfit(f"AlgorithmError: framework error: the code archive: {error}, exit code: 1") from error


def fetch_channels(job: TrainJob, number: int, place: Place, bucket: Bucket) -> list[str]:
    """Bring an instance its input data; gives remarks. Raises Unfit for what the sandbox cannot bring."""
    remarks = []
    for channel in job.request.get("InputDataConfig") or ():
        name, source = channel["ChannelName"], channel["DataSource"].get("S3DataSource") or {}
        if input_config(job)[name]["TrainingInputMode"] == "Pipe" or source.get("S3DataType") != "S3Prefix":
            raise Unfit(f"ClientError: channel {name}: the sandbox brings S3Prefix data in File and FastFile mode only")
        folder = place.ml / "input" / "data" / name
        folder.mkdir(exist_ok=True)
        where, prefix = split(source["S3Uri"])
        try:
            keys = [key for key in bucket.keys(where, prefix) if not key.endswith("/")]
        except NoObject as error:
            raise Unfit(f"ClientError: Data download failed:{error}") from error
        if source.get("S3DataDistributionType") == "ShardedByS3Key":
            keys = keys[number :: job.count]
        remarks += _download(where, keys, prefix, folder, bucket)
    return remarks


def _download(where: str, keys: Iterable[str], prefix: str, folder: Path, bucket: Bucket) -> list[str]:
    """Write objects below a folder; gives remarks on those whose names are no names of files."""
    remarks = []
    for key in keys:
        path = inside(folder, relative(key, prefix))
        try:
            if path is None:
                raise OSError("it is no name of a file")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bucket.read(where, key))
        except (OSError, NoObject) as error:
            remarks.append(f"{key[:200]!r} is left out: {error}")
    return remarks


class Checkpoints:
    """Keeps the checkpoints of one instance and their S3 prefix alike."""

    def __init__(self, job: TrainJob, place: Place, bucket: Bucket):
        assert job.checkpoint is not None  # noqa: S101  # made only for a job that has one
        self._uri = job.checkpoint[0].rstrip("/")
        self._bucket = bucket
        self._folder = place.ml.joinpath(*checkpoint_parts(job))
        self._known: dict[str, tuple[int, int]] = {}  # name -> bytes and time of what S3 has

    def down(self) -> list[str]:
        """Bring what the prefix holds, before the script starts; gives remarks."""
        self._folder.mkdir(parents=True, exist_ok=True)
        where, prefix = split(self._uri)
        prefix = f"{prefix}/" if prefix else ""
        try:
            keys = [key for key in self._bucket.keys(where, prefix) if not key.endswith("/")]
        except NoObject as error:
            raise Unfit(f"ClientError: {error}") from error
        remarks = _download(where, keys, prefix, self._folder, self._bucket)
        self._known = {name: (info.st_size, info.st_mtime_ns) for name, _, info in files(self._folder)}
        return remarks

    def up(self) -> None:
        """Send what is new or has changed. What was deleted here stays in S3, as with SageMaker."""
        for name, path, info in list(files(self._folder)):
            state = (info.st_size, info.st_mtime_ns)
            if self._known.get(name) != state:
                try:
                    self._bucket.write(f"{self._uri}/{name}", path.read_bytes())
                except (OSError, NoObject):
                    continue  # gone in between, or the bucket is: the next time, if there is one
                self._known[name] = state


def pack(folders: Iterable[Path], uri: str, bucket: Bucket) -> int:
    """Send folders as one .tar.gz, of two files of one name the first; gives how many. Raises Unfit."""
    seen: set[str] = set()
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w:gz") as tar:
            for folder in folders:
                for name, path, info in files(folder):
                    if name not in seen and stat.S_ISREG(info.st_mode):
                        seen.add(name)
                        tar.add(path, name, recursive=False, filter=_plain)
        file.seek(0)
        try:
            bucket.write(uri, file.read())
        except NoObject as error:
            raise Unfit(f"ClientError: Artifact upload failed:{error}") from error
    return len(seen)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """A member without the names of this machine's user."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def failure(places: Iterable[Place]) -> str:
    """What a script wrote to /opt/ml/output/failure; empty where none did. At most 1024 bytes are read."""
    for place in places:
        try:
            fd = os.open(place.ml / "output" / "failure", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(fd, "rb") as file:
                text = file.read(1024).decode("utf-8", "replace").strip()
        except OSError:
            continue
        if text:
            return text
    return ""
