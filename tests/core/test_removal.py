from datetime import timedelta

from spotbox.core import steps as s
from spotbox.core.boxes import Sight
from spotbox.core.names import box_tags
from spotbox.core.removal import going_with_instances, parts_of, youngest
from tests.core.worlds import REGION, WHEN, data_volume, instance, request, volume

SIGHTS = [
    Sight(
        REGION,
        requests=(request(created=WHEN),),
        instances=(instance(launched=WHEN + timedelta(minutes=1)),),
        volumes=(volume(created=WHEN + timedelta(minutes=2)), data_volume(created=None)),
    ),
    Sight("eu-west-1", requests=(request(created=WHEN + timedelta(days=1), tags=box_tags("train", "alice")),)),
]


def test_the_parts_of_a_step():
    """Each thing that a step of `down` concerns: its kind, id and region, as the contract's JSON names them."""
    assert parts_of(s.Cancel(REGION, ("sir-1", "sir-2"))) == [
        {"kind": "spot-request", "id": "sir-1", "region": REGION},
        {"kind": "spot-request", "id": "sir-2", "region": REGION},
    ]
    assert parts_of(s.Terminate(REGION, ("i-1",))) == [{"kind": "instance", "id": "i-1", "region": REGION}]
    for step in (s.DeleteVolume(REGION, "vol-1", 9), s.KeepVolume(REGION, "vol-1", 9)):
        assert parts_of(step) == [{"kind": "volume", "id": "vol-1", "region": REGION}]
    assert parts_of(s.DeleteGroup(REGION, "sg-1", "n")) == [{"kind": "security-group", "id": "sg-1", "region": REGION}]
    assert parts_of(s.DeleteKey(REGION, "key-1", "n")) == [{"kind": "key-pair", "id": "key-1", "region": REGION}]
    assert parts_of(s.Start(REGION, "i-1")) == []


def test_the_root_volume_goes_with_its_instance():
    """AWS deletes the root volume itself; a data volume is not among those, nor what is another owner's."""
    assert going_with_instances(SIGHTS, "alice", ["dev"]) == [(REGION, "vol-1")]
    assert going_with_instances(SIGHTS, "alice", None) == [(REGION, "vol-1")]
    assert going_with_instances(SIGHTS, "alice", ["train"]) == []
    assert going_with_instances(SIGHTS, "bob", None) == []


def test_the_youngest_part_decides_the_doubt():
    """The newest of requests, instances and volumes; None where there is nothing."""
    assert youngest(SIGHTS, "alice", ["dev"]) == WHEN + timedelta(minutes=2)
    assert youngest(SIGHTS, "alice", None) == WHEN + timedelta(days=1)
    assert youngest(SIGHTS, "bob", None) is None
