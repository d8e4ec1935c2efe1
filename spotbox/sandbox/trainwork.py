"""How the script of a training job is started on each of its instances, and what is said where it failed."""

import contextlib
import shlex
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from spotbox.sandbox import trainfolder, trainprocess
from spotbox.sandbox.boxfiles import remove_tree
from spotbox.sandbox.trainenv import Place, Script, Unfit, command, variables
from spotbox.sandbox.trainlogs import Writer
from spotbox.sandbox.trainprocess import Program
from spotbox.sandbox.trainrecords import TrainJob

REASON = 600  # characters of stderr in a FailureReason, which has 1024


def introduce(job: TrainJob, script: Script, place: Place, writer: Writer) -> None:
    """Say in the log what is not as in AWS's container."""
    writer.say(f"no container: {job.ml_type} is this machine, where the script runs as you, in {place.told('code')}")
    if job.request.get("EnableNetworkIsolation"):
        writer.say("there is no network isolation here")
    if not place.literal:
        writer.say("this system allows no /opt/ml of the job's own: a script finds its folders by the SM_ variables")
    if (place.ml / "code" / "requirements.txt").is_file():
        writer.say("requirements.txt is not installed here; the script has what the sandbox's Python has")
    if script.torch:
        writer.say("torchrun is not run: each instance is one process with the variables torchrun would set")


def begin(
    job: TrainJob,
    script: Script,
    places: list[Place],
    logs: list[Writer],
    aws: Mapping[str, str],
    ended: Callable[[], None],
) -> Iterator[Program]:
    """Start the program of each instance. Raises Unfit where one cannot be started; those before it run then."""
    port = _free_port()
    for host, place, writer in zip(job.hosts, places, logs, strict=True):
        words = command(script, place.ml / "code")
        writer.line(f"Invoking script with the following command: {shlex.join(words)}".encode())
        env = variables(job, host, place, script, aws, port)
        line, cwd = (trainprocess.in_place(words, place), "/") if place.literal else (words, place.told("code"))
        try:
            yield Program(line, env, cwd, writer, ended)
        except (OSError, ValueError) as error:
            raise Unfit(f"AlgorithmError: framework error: {error}, exit code: 1") from error


def failure(script: Script, places: list[Place], programs: list[Program]) -> str:
    """FailureReason, as the toolkit of AWS's images words it; what the script wrote to output/failure, where it did."""
    failed = next(program for program in programs if program.code)
    own = trainfolder.failure(places)
    if own:
        return f"AlgorithmError: {own[:900]}, exit code: {failed.code}"
    text = failed.errors.decode("utf-8", "replace").strip()[-REASON:]
    words = shlex.join(command(script, places[0].ml / "code"))[:250]
    error = f'ExitCode {failed.code}\nErrorMessage "{text}"\nCommand "{words}"'
    return f"AlgorithmError: ExecuteUserScriptError:\n{error}, exit code: {failed.code}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clear(folder: Path, hosts: list[str]) -> None:
    """Remove what instances had on this machine; the logs stay."""
    for host in hosts:
        with contextlib.suppress(OSError):
            remove_tree(folder / host)
