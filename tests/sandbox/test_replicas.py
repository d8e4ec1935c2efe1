"""What each of the two replicas shows, and when, by a clock that moves when told."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from spotbox.sandbox.refusals import Refusal
from spotbox.sandbox.replicas import Replicas
from spotbox.sandbox.weather import CALM, Call, Weather

from .fakes import Stage

LAG = 3.0
READ = Call("ec2", "DescribeInstances", "us-east-1")
STOP = Call("ec2", "StopInstances", "us-east-1")


class Volume(SimpleNamespace):
    """A volume as moto keeps it, as far as it is shown here."""


def backend(**volumes):
    return SimpleNamespace(volumes=volumes, groups={}, key_pairs={}, snapshots={}, amis={}, tags={})


@pytest.fixture
def stage():
    made = Stage()
    made.backend = backend()
    made.replicas = Replicas(made.world, lambda: {"us-east-1": made.backend})
    made.replicas.change(Weather(lag=LAG, seed=1))
    return made


def seen(stage, replica):
    """The states of instances and requests as the replica shows them."""
    with stage.replicas.answering(READ, b"", replica):
        boxes = [box.state for box in stage.life.boxes.values()]
        return boxes, [r.code for r in stage.spot.requests.values()]


def test_each_thing_appears_in_its_own_time_and_stays(stage):
    """Within the lag instance and request appear, one by one; a replica never forgets what it showed."""
    with stage.replicas.answering(Call("ec2", "RunInstances", "us-east-1"), b"", 0):
        stage.run()
    story = {0: [], 1: []}
    for _ in range(31):
        for replica, shown in story.items():
            shown.append(tuple(map(len, seen(stage, replica))))
        stage.after(0.1)
    for shown in story.values():
        assert shown[0] == (0, 0)
        assert shown[-1] == (1, 1)
        assert all(a <= c and b <= d for (a, b), (c, d) in pairwise(shown))
    assert story[0] != story[1]
    assert any(a != b for a, b in story[0])


def test_states_are_shown_late_and_in_order(stage):
    """Each replica goes through the states in their order, at most the lag behind the truth, and the two disagree."""
    box, _ = stage.run()
    stage.replicas.change(Weather(lag=LAG, seed=5))
    truth, story = [], {0: [], 1: []}
    for _ in range(80):
        stage.after(0.1)
        truth.append(box.state)
        for replica, shown in story.items():
            shown.append(seen(stage, replica)[0][0])
        if len(truth) == 45:
            with stage.replicas.answering(STOP, b"", 0):
                stage.spot.stop(box)
    order = ["pending", "running", "stopping", "stopped"]
    for shown in story.values():
        ranks = [order.index(state) for state in shown]
        assert ranks == sorted(ranks)
        assert all(state in truth[max(0, at - 30) : at + 1] for at, state in enumerate(shown))
        assert shown != truth
    assert story[0] != story[1]
    assert box.state == "stopped"


def test_reading_leaves_no_trace(stage):
    """After an answer from the past everything is as it was, the very same objects in the same places."""
    box, request = stage.run()
    disk = stage.backend.volumes["vol-1"] = Volume(id="vol-1", size=8)
    stage.backend.tags["vol-1"] = {"a": "b"}
    stage.replicas.note()
    before = dict(vars(box)), dict(vars(request)), dict(vars(disk))
    with stage.replicas.answering(READ, b"", 0):
        assert (stage.life.boxes, stage.spot.requests, stage.backend.volumes, stage.backend.tags) == ({}, {}, {}, {})
    assert stage.life.boxes == {box.id: box}
    assert stage.backend.volumes["vol-1"] is disk
    assert stage.backend.tags == {"vol-1": {"a": "b"}}
    assert (dict(vars(box)), dict(vars(request)), dict(vars(disk))) == before


def test_what_is_gone_is_shown_for_a_while(stage):
    """A volume that was deleted is still described, as it was, and then no more."""
    stage.backend.volumes["vol-1"] = Volume(id="vol-1", size=8)
    stage.replicas.change(Weather(lag=LAG, seed=1))
    with stage.replicas.answering(Call("ec2", "DeleteVolume", "us-east-1"), b"VolumeId=vol-1", 0):
        del stage.backend.volumes["vol-1"]
    with stage.replicas.answering(READ, b"", 0):
        assert stage.backend.volumes["vol-1"].size == 8
    assert not stage.backend.volumes
    stage.after(LAG)
    with stage.replicas.answering(READ, b"", 0):
        assert not stage.backend.volumes


def test_a_name_that_is_not_known_yet_is_refused(stage):
    """A call that changes something and names it gets NotFound; a filter that names it, and other regions, do not."""
    box, _ = stage.run()
    stage.replicas.note()
    with pytest.raises(Refusal) as refused, stage.replicas.answering(STOP, f"InstanceId.1={box.id}".encode(), 0):
        pass
    assert refused.value.code == "InvalidInstanceID.NotFound"
    with stage.replicas.answering(STOP, f"Filter.1.Value.1={box.id}".encode(), 0):
        pass
    with stage.replicas.answering(STOP._replace(region="eu-west-1"), f"InstanceId.1={box.id}".encode(), 0):
        pass
    stage.after(LAG)
    with stage.replicas.answering(STOP, f"InstanceId.1={box.id}".encode(), 0):
        pass


def test_without_lag_all_is_shown_at_once(stage):
    """Calm weather has no past."""
    stage.replicas.change(CALM)
    stage.run()
    assert seen(stage, 0) == (["pending"], ["fulfilled"])
