"""The parts of the sandbox's training on their own: logs, files, script mode, types, and what is billed."""

import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import botocore.session
import pytest

from spotbox.sandbox import trainfolder
from spotbox.sandbox.mltypes import ML_TYPES, QUOTAS, quota_of
from spotbox.sandbox.refusals import Refusal
from spotbox.sandbox.trainbucket import NoObject, inside, relative, split
from spotbox.sandbox.trainchecks import check_request
from spotbox.sandbox.trainenv import Place, Unfit, checkpoint_parts, script_of, torch_variables, variables
from spotbox.sandbox.trainlogs import END_LIMIT, LINE_LIMIT, STREAM_LIMIT, Lines, Writer, events
from spotbox.sandbox.trainrecords import TrainJob, described

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
RECORDED = Path(__file__).parents[3] / "shared" / "data" / "describe-training-job.managed-spot.json"
MODE = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"s3://bkt/code.tar.gz"'}


def job(count=1, **more):
    request = {
        "ResourceConfig": {"InstanceType": "ml.g5.12xlarge", "InstanceCount": count},
        "AlgorithmSpecification": {"TrainingImage": "x", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://bkt/out/"},
        "HyperParameters": MODE | more.pop("given", {}),
        "EnableManagedSpotTraining": True,
        **more,
    }
    return TrainJob("j", "us-east-1", "0" * 16, request, AT)


def test_types_are_sagemakers():
    """Every type is in botocore's TrainingInstanceType, and of those families none that EC2 has here is left out."""
    model = botocore.session.Session().get_service_model("sagemaker")
    known = model.shape_for("TrainingInstanceType").enum
    assert set(ML_TYPES) <= set(known)
    assert {"ml.m5.large", "ml.m5.xlarge", "ml.c5.xlarge", "ml.g5.xlarge", "ml.p5.48xlarge"} <= set(ML_TYPES)
    from spotbox.sandbox.catalogue import TYPES

    assert set(known) & {f"ml.{name}" for name in TYPES} == set(ML_TYPES)
    assert len({quota.code for quota in QUOTAS}) == len(QUOTAS)
    assert quota_of("ml.g5.xlarge", True).name == "ml.g5.xlarge for spot training job usage"
    assert quota_of("ml.m4.xlarge", True) is None


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_lines_of_any_cut(tmp_path, pieces):
    """However output is cut into pieces, its lines are the same; a long one is cut, a last one needs no newline."""
    text = b"one\r\ntwo\n\n" + b"x" * (LINE_LIMIT * 3) + b"\n\xff end"
    writer = Writer(tmp_path / "log")
    lines = Lines(writer)
    for start in range(0, len(text), pieces):
        lines.feed(text[start : start + pieces])
    lines.end()
    writer.close()
    writer.close()
    writer.line(b"too late")
    found = [event.text for event in events(tmp_path / "log")]
    assert found[:3] == ["one", "two", ""]
    assert found[3].startswith("x" * LINE_LIMIT)
    assert found[3].endswith("[cut by the sandbox]")
    assert found[4:] == ["\ufffd end"]


def test_a_full_stream_keeps_begin_and_end(tmp_path):
    """Of a stream that is too long, begin and end are kept, the number of lines between them is told."""
    writer = Writer(tmp_path / "log")
    lines = Lines(writer)
    for number in range(40_000):
        lines.feed(b"%099d\n" % number)
    lines.end()
    writer.close()
    found = [event.text for event in events(tmp_path / "log")]
    assert (tmp_path / "log").stat().st_size < STREAM_LIMIT + END_LIMIT * 2
    place = next(index for index, text in enumerate(found) if text.startswith("sandbox: "))
    left = int(found[place].split()[1])
    assert [int(text) for text in found[:place]] == list(range(place))
    end = [int(text) for text in found[place + 2 :]]
    assert end == list(range(end[0], 40_000))
    assert abs(place + left + len(found) - place - 1 - 40_000) <= 1


def test_names_of_objects_never_leave_a_folder(tmp_path):
    """An object whose name climbs out of the folder is no file; others lie where SageMaker puts them."""
    for name in ("", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "a\0b", "./a"):
        assert inside(tmp_path, name) is None
    assert inside(tmp_path, "a/b.txt") == tmp_path / "a" / "b.txt"
    assert relative("data/train/a.csv", "data/train/") == "a.csv"
    assert relative("data/train/a.csv", "data/train") == "a.csv"
    assert relative("data/train.csv", "data/train.csv") == "train.csv"
    assert relative("data/training/a.csv", "data/train") == "training/a.csv"
    assert relative("a/b", "") == "a/b"
    assert split("s3://bucket/a/b") == ("bucket", "a/b")
    for uri in ("s3:/bucket", "http://bucket/x", "s3://", "s3://UP/x"):
        with pytest.raises(NoObject):
            split(uri)


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "link/out.txt"])
def test_code_never_leaves_its_folder(tmp_path, name):
    """A member that would be written elsewhere, also through a link, is refused, and nothing is there."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "../../.."
        if name.startswith("link"):
            tar.addfile(link)
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    place = Place(tmp_path / "a" / "algo-1", literal=False)
    trainfolder.prepare(job(), "algo-1", place)
    bucket = SimpleNamespace(read=lambda where, key: raw.getvalue())
    if name.startswith("/"):  # taken as a name below the folder, as tar does
        trainfolder.fetch_code(script_of(job()), place, bucket)
        assert (place.ml / "code" / "tmp" / "out.txt").exists()
    else:
        with pytest.raises(Unfit, match="outside the destination"):
            trainfolder.fetch_code(script_of(job()), place, bucket)
    assert not list(tmp_path.glob("*.txt"))
    assert not (tmp_path / "a" / "out.txt").exists()


def test_no_archive():
    """What is no archive is said to be none."""
    place = Place(SimpleNamespace(), literal=False)
    bucket = SimpleNamespace(read=lambda where, key: b"no archive")
    with pytest.raises(Unfit, match="the code archive"):
        trainfolder.fetch_code(script_of(job()), place, bucket)


def test_script_mode_needs_a_script():
    """A job without a program is told what it lacks; the variables of the images do as well as hyperparameters."""
    bare = job()
    bare.request["HyperParameters"] = {}
    with pytest.raises(Unfit, match="sagemaker_program"):
        script_of(bare)
    other = job(AlgorithmSpecification={"TrainingImage": "x", "ContainerEntrypoint": ["python"]})
    with pytest.raises(Unfit, match="ContainerEntrypoint"):
        script_of(other)
    bare.request["Environment"] = {"SAGEMAKER_PROGRAM": "a.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://bkt/c.tar.gz"}
    assert script_of(bare).program == "a.py"


def test_environment_of_a_job(tmp_path):
    """Only what is the job's; a name that no variable may have, and a NUL, do not get in."""
    asked = job(2, given={"lr": "0.1", "a=b": "1", "n": '"x\\u0000y"', "sagemaker_torch_distributed_enabled": "true"})
    script = script_of(asked)
    assert script.args == ("--a=b", "1", "--lr", "0.1", "-n", "xy")
    env = variables(asked, "algo-2", Place(tmp_path, literal=True), script, {"AWS_REGION": "us-east-1"}, 4242)
    assert env["SM_MODEL_DIR"] == "/opt/ml/model"
    assert env["SM_HP_N"] == "xy"
    assert "SM_HP_A=B" not in env
    assert (env["RANK"], env["WORLD_SIZE"], env["MASTER_ADDR"], env["MASTER_PORT"]) == ("1", "2", "algo-1", "4242")
    assert env["SM_HOSTS"] == '["algo-1","algo-2"]'
    assert env["SM_NUM_GPUS"] == "4"
    assert torch_variables(asked, "algo-1", 1, False)["MASTER_ADDR"] == "127.0.0.1"
    elsewhere = variables(asked, "algo-1", Place(tmp_path, literal=False), script, {}, 1)
    assert elsewhere["SM_MODEL_DIR"] == str(tmp_path / "ml" / "model")


def test_checkpoints_are_below_opt_ml():
    """Another path of this machine is refused, however it is written."""
    config = {"S3Uri": "s3://bkt/c", "LocalPath": "/opt/ml/deep/ckpt/"}
    assert checkpoint_parts(job(CheckpointConfig=config)) == ("deep", "ckpt")
    assert checkpoint_parts(job(CheckpointConfig={"S3Uri": "s3://bkt/c"})) == ("checkpoints",)
    for path in ("/etc", "/opt/ml/../../etc", "/opt/ml", "relative"):
        with pytest.raises(Unfit):
            checkpoint_parts(job(CheckpointConfig={"S3Uri": "s3://bkt/c", "LocalPath": path}))


def test_what_a_job_is_billed():
    """Spot pays its share of the time, at least a second and never more than it held; on demand pays all of it."""
    told = []
    for held, share, spot in ((100.4, 0.4, True), (0.2, 0.4, True), (100.4, 0.4, False)):
        one = job(EnableManagedSpotTraining=spot)
        one.enter("Starting", AT)
        one.started = one.holds_since = AT
        assert not {"TrainingTimeInSeconds", "BillableTimeInSeconds"} & described(one).keys()
        one.release(AT + timedelta(seconds=held), share)
        one.release(AT + timedelta(days=1), share)  # nothing is held any more
        one.end("Completed", "Completed", AT)
        told.append((described(one)["TrainingTimeInSeconds"], described(one)["BillableTimeInSeconds"]))
    assert told == [(100, 40), (1, 1), (100, 100)]


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded reply of AWS is not here")
def test_a_recorded_job():
    """A job that goes through what a real one went through is described as AWS described that one."""
    told = json.loads(RECORDED.read_text())
    del told["_source"]
    times = [datetime.fromisoformat(row["StartTime"]) for row in told["SecondaryStatusTransitions"]]
    kept = ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition", "EnableManagedSpotTraining")
    one = TrainJob(told["TrainingJobName"], "us-east-1", "0" * 16, {key: told[key] for key in kept}, times[0])
    for row, at in zip(told["SecondaryStatusTransitions"][:-1], times, strict=False):
        one.enter(row["Status"], at)
    one.started = one.holds_since = times[1]
    one.release(times[-1], told["BillableTimeInSeconds"] / told["TrainingTimeInSeconds"])
    one.end("Completed", "Completed", times[-1])
    mine = described(one)
    for row in mine["SecondaryStatusTransitions"]:
        row |= {key: wire(row[key]) for key in ("StartTime", "EndTime")}
    mine |= {key: wire(mine[key]) for key in ("CreationTime", "TrainingStartTime", "TrainingEndTime")}
    # AWS's own has the account of its owner, and was changed once more half a minute after its end.
    for key in ("TrainingJobArn", "LastModifiedTime"):
        told.pop(key)
    assert {key: mine.get(key) for key in told} == told
    assert mine.keys() - told.keys() == {"TrainingJobArn", "LastModifiedTime", "ProfilingStatus"}


def wire(seconds):
    """A time as the recorded reply has it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_message_that_changes_is_no_new_status():
    """Starting that has no capacity says so within the same transition."""
    one = job()
    for message in (None, "no capacity", "no capacity"):
        one.enter("Starting", AT, message)
    assert [row["StatusMessage"] for row in one.transitions] == ["no capacity"]


def test_a_request_of_nothing_names_what_it_lacks():
    """All that the model requires is named in one refusal."""
    with pytest.raises(Refusal) as refused:
        check_request({})
    assert refused.value.message.startswith("3 validation errors detected: Value null at")
