"""The sandbox's process: started once, found again, ended, emptied; blind to the caller's AWS settings."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest

from spotbox.core.errors import SpotboxError
from spotbox.sandbox import process
from tests.timing import quickest, seconds_of

from .conftest import Aws, until

ROOT = Path(process.__file__).parent.parent.parent


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The folder of a sandbox that ends with the test; its path has a space and is long."""
    monkeypatch.setenv("SPOTBOX_SANDBOX_PACE", "0.2")
    folder = tmp_path / "a folder whose name is as long as people's names of folders may become" / "sandbox"
    yield folder
    process.stop(folder)


def python(code, *args, **environ):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=ROOT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def allowed():
    """Seconds that a start may take: 2.5 on a machine with nothing else to do."""
    return 2.5 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1) * 2)


def test_it_is_ready_soon(home, capsys):
    """From nothing to the first answer within 2.5 s (more on a machine that is busy otherwise)."""

    def start():
        process.stop(home)
        return seconds_of(lambda: process.ensure(home))

    took = quickest(start, allowed())
    with capsys.disabled():
        print(f" [ready in {took:.2f} s]", end="")  # noqa: T201 - a figure for whoever reads the run
    assert took < allowed()


def test_importing_the_client_side_is_light():
    """process.py loads neither moto nor boto3 nor an HTTP library."""
    code = "import sys; import spotbox.sandbox.process; print(*sorted(sys.modules))"
    loaded = set(python(code).split())
    assert not loaded & {"moto", "boto3", "botocore", "flask", "werkzeug", "asyncssh", "http.client", "subprocess"}


def test_eight_at_once_start_one(home):
    """However many commands race, one process is started, and all get it."""
    code = (
        "import sys; from pathlib import Path; from spotbox.sandbox import process;"
        "print(process.ensure(Path(sys.argv[1])).pid)"
    )
    racers = [
        subprocess.Popen([sys.executable, "-c", code, str(home)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    pids = {racer.communicate(timeout=90)[0].strip() for racer in racers}
    assert len(pids) == 1
    assert str(process.running(home).pid) in pids
    starts = [line for line in (home / "log").read_text().splitlines() if "ready on port" in line]
    assert len(starts) == 1


def test_running_stop_and_again(home):
    """running tells it, stop ends it once, and the port of last time is taken up again."""
    assert process.running(home) is None
    assert process.stop(home) is False
    first = process.ensure(home)
    assert process.running(home) == process.ensure(home) == first
    assert process.stop(home) is True
    assert process.running(home) is None
    assert process.stop(home) is False
    second = process.ensure(home)
    assert (second.url, second.pid != first.pid) == (first.url, True)


def test_files_are_the_users_own(home):
    """What holds the secret or the state is readable by the user alone."""
    process.ensure(home)
    assert (home / "state.json").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["dead", "reused", "garbage", "other release"])
def test_a_stale_state_file_is_no_sandbox(home, kind):
    """A state file whose process is gone, or is another program now, misleads nobody and harms nobody."""
    home.mkdir(parents=True)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        pid = bystander.pid if kind == "reused" else 2**22 - 1
        state = {"protocol": 1, "url": "http://127.0.0.1:9", "pid": pid, "nonce": "x"}
        state |= {"protocol": 0} if kind == "other release" else {}
        (home / "state.json").write_text("{" if kind == "garbage" else json.dumps(state))
        assert process.running(home) is None
        assert process.stop(home) is False
        endpoint = process.ensure(home)
        assert endpoint.pid != pid
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_killed_sandbox_is_started_again(home):
    """kill -9 leaves a state file behind; the next command starts a new one."""
    first = process.ensure(home)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: process.running(home) is None)
    assert process.ensure(home).pid != first.pid


@pytest.mark.slow
def test_what_lives_survives_a_stop(home):
    """Boxes, requests, disks, keys and buckets are there after a stop; time has passed meanwhile."""
    aws = Aws(process.ensure(home))
    made = aws.launch(TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}])
    disk = made["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    snapshot = aws.ec2.create_snapshot(VolumeId=disk)["SnapshotId"]
    young = aws.ec2.create_volume(AvailabilityZone="us-east-1a", Size=5)["VolumeId"]
    assert until(lambda: aws.state(made["InstanceId"]) == "running")
    image = aws.ec2.create_image(InstanceId=made["InstanceId"], Name="kept", NoReboot=True)["ImageId"]
    aws.client("s3", s3={"addressing_style": "path"}).create_bucket(Bucket="kept")
    process.call(aws.endpoint, "capacity", type="g5.xlarge", zone="us-east-1a", state="closed")
    process.stop(home)
    time.sleep(1)
    again = Aws(process.ensure(home))
    box = again.instance(made["InstanceId"])
    assert (box["State"]["Name"], box["Tags"]) == ("running", [{"Key": "a", "Value": "b"}])
    assert again.request(made["SpotInstanceRequestId"])["Status"]["Code"] == "fulfilled"
    assert again.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["State"] == "completed"
    assert again.ec2.describe_volumes(VolumeIds=[young])["Volumes"][0]["State"] == "available"
    assert until(lambda: again.ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available")
    buckets = again.client("s3").list_buckets()["Buckets"]
    assert [bucket["Name"] for bucket in buckets] == ["kept"]
    assert process.call(again.endpoint, "status")["closed"] == [{"type": "g5.xlarge", "zone": "us-east-1a"}]
    again.ec2.stop_instances(InstanceIds=[made["InstanceId"]])
    assert until(lambda: again.state(made["InstanceId"]) == "stopped")


def test_state_survives_a_kill(home):
    """It is saved every few seconds when something changed, so that even a crash keeps most of it."""
    aws = Aws(process.ensure(home))
    made = aws.launch()
    assert until(lambda: (home / "state.pickle").exists())
    time.sleep(2.5)
    os.kill(aws.endpoint.pid, signal.SIGKILL)
    assert Aws(process.ensure(home)).instance(made["InstanceId"])


def test_damaged_state_is_put_aside(home):
    """A state that cannot be read: the sandbox starts empty and says so in its log."""
    home.mkdir(parents=True)
    (home / "state.pickle").write_bytes(b"\x80\x05nonsense")
    aws = Aws(process.ensure(home))
    assert aws.control("status")["boxes"] == []
    assert "starting empty" in (home / "log").read_text()
    assert (home / "state.unusable").exists()


@pytest.mark.parametrize("is_running", [True, False])
def test_reset_forgets(home, is_running):
    """reset empties the sandbox, whether it runs or not, and leaves it as it was in that."""
    aws = Aws(process.ensure(home))
    aws.launch()
    if not is_running:
        process.stop(home)
    process.reset(home)
    assert (process.running(home) is not None) is is_running
    assert process.call(process.ensure(home), "status")["boxes"] == []
    assert not {"boxes", "volumes", "snapshots"} & {path.name for path in home.iterdir()}


@pytest.mark.slow
def test_it_ends_when_idle(home, monkeypatch):
    """Without a call for the idle time the process ends by itself, and its state file goes; a call keeps it."""
    monkeypatch.setenv("SPOTBOX_SANDBOX_IDLE", "4")
    endpoint = process.ensure(home)
    for _ in range(4):
        time.sleep(1.5)
        assert process.call(endpoint, "status")["boxes"] == []
    assert until(lambda: not (home / "state.json").exists(), 15)
    assert until(lambda: process.running(home) is None)


def test_poisoned_settings_change_nothing(home, tmp_path, monkeypatch):
    """Real keys, profiles, endpoints and proxies in the environment and in ~/.aws are neither read nor reached."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(
        "[default]\nendpoint_url = http://203.0.113.1\nregion = mars-1\n[profile p]\n"
    )
    (tmp_path / ".aws/credentials").write_text("[default]\naws_access_key_id = REAL\naws_secret_access_key = REAL\n")
    poison = {
        "HOME": str(tmp_path),
        "AWS_PROFILE": "p",
        "AWS_ACCESS_KEY_ID": "REAL",
        "AWS_SECRET_ACCESS_KEY": "REAL",
        "AWS_SESSION_TOKEN": "REAL",
        "AWS_REGION": "mars-1",
        "AWS_DEFAULT_REGION": "mars-1",
        "AWS_ENDPOINT_URL": "http://203.0.113.1",
        "AWS_ENDPOINT_URL_EC2": "http://203.0.113.1",
        "AWS_CA_BUNDLE": "/nowhere",
        "HTTP_PROXY": "http://203.0.113.1:1",
        "http_proxy": "http://203.0.113.1:1",
        "PYTHONSTARTUP": "/nowhere",
        "MOTO_ACCOUNT_ID": "999999999999",
    }
    for name, value in poison.items():
        monkeypatch.setenv(name, value)
    endpoint = process.ensure(home)
    seen = Path(f"/proc/{endpoint.pid}/environ")
    if seen.exists():
        assert b"REAL" not in seen.read_bytes()
    for name, value in process.environment(endpoint).items():
        monkeypatch.setenv(name, value)
    session = boto3.Session()
    assert session.get_credentials().access_key == endpoint.access_key
    assert session.region_name == "us-east-1"
    who = session.client("sts").get_caller_identity()
    assert who["Arn"] == "arn:aws:iam::123456789012:user/sandbox"
    assert session.client("ec2").describe_regions()["Regions"]
    assert "203.0.113.1" not in (home / "log").read_text()


def test_a_death_at_the_start_is_told(home, monkeypatch):
    """What the process said last is in the error, with where its log is."""
    monkeypatch.setenv("SPOTBOX_SANDBOX_PACE", "fast")
    with pytest.raises(SpotboxError) as failed:
        process.ensure(home)
    assert "could not convert string to float" in failed.value.message
    assert str(home / "log") in failed.value.hint


def test_without_the_extra_the_hint_installs_it(home):
    """Where moto is missing, the error says how to install it."""
    code = (
        "import sys, importlib.util; from pathlib import Path; from spotbox.sandbox import process;"
        "from spotbox.core.errors import SpotboxError;"
        "real = importlib.util.find_spec\n"
        "sys.modules['moto'] = None\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'moto' else real(name, *a)\n"
        "try: process.ensure(Path(sys.argv[1]))\n"
        "except SpotboxError as error: print(error.hint)"
    )
    assert python(code, home).strip() == "pip install 'spotbox[sandbox]'"


def test_a_folder_that_cannot_be_written(tmp_path):
    """The error names the folder, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SpotboxError) as failed:
        process.ensure(tmp_path / "file" / "sandbox")
    assert "cannot write" in failed.value.message
