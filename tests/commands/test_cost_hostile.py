"""`cost` and `down` where the ledger is damaged, the clock is wrong, or what tells the cost breaks."""

import json
from dataclasses import replace

import pytest

from spotbox.core.names import MOVED_TAG, SINCE_TAG
from tests.commands.costs import DEV, FakeCosts

MINE = {"owner": "alice", "name": "dev", "request": "sir-1", "spot": True, "type": "g4dn.xlarge", "zone": "us-east-1a"}
EDGE = "0001-01-01T00:00:00+14:00"
SPELL = {"2026-02-01T00:00:00+00:00": [None, None, False, None]}
HOSTILE = [
    {"i-1": {**MINE, "spells": {EDGE: [EDGE, EDGE, False, EDGE]}, "seen": EDGE, "ended": EDGE}},
    {"i-9": {**MINE, "region": "us-east-1", "spells": {EDGE: [None, None, False, None]}, "disks": {}}},
    {"i-9": {**MINE, "request": ["sir-1"], "region": "us-east-1", "spells": SPELL,
             "disks": {"vol-1": [1, "gp3", "x"]}}},
    {"i-9": {**MINE, "region": "../..", "zone": "\u001b[2J", "spells": SPELL, "seen": "2026-02-02T00:00:00+00:00"}},
    {"i-9": {**MINE, "region": "us-east-1", "spells": SPELL, "seen": "2026-02-02T00:00:00+00:00",
             "disks": {"vol-9": [10**40, "gp3", "2026-01-01T00:00:00+00:00"]}}},
    {"i-9": {**MINE, "region": "us-east-1", "spells": SPELL, "seen": "9999-12-31T23:59:59+00:00",
             "disks": {"vol-9": [-5, "gp3", "2026-01-01T00:00:00+00:00"]}}},
    {"i-9": {**MINE, "region": "us-east-1", "spells": {f"2026-02-01T00:00:{i:02}+00:00": [1, [], {}, None]
                                                     for i in range(60)}, "disks": {"v": [[], [], []]}}},
]  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE)
def test_a_hostile_ledger(user, data):
    """Whatever it holds, `cost` answers, `status` works, and `down` removes the box."""
    user.world.has_box("dev", age=100 * 3600)
    user.run("status")
    (file,) = (user.home / "ledger").rglob("seen.json")
    file.write_text(json.dumps(data))
    said = user.run("cost")
    assert (said.code, "\x1b" in said.out + said.err) == (0, False), said
    file.write_text(json.dumps(data))
    assert user.run("cost", "dev", "-o", "json").code == 0
    assert user.run("status").code == 0
    file.write_text(json.dumps(data))
    said = user.run("down", "-y")
    assert (said.code, "removed instance i-1" in said.out) == (0, True), said
    assert user.world.instances["i-1"].state == "terminated"


RUN = ["2026-02-01T00:00:00+00:00", "2026-02-02T00:00:00+00:00", "g4dn.xlarge", "us-east-1a", "us-east-1", *[True] * 4]


@pytest.mark.parametrize(
    "change",
    [
        {"start": EDGE, "end": EDGE},
        {"end": "9999-12-31T23:59:59-14:00"},
        {"name": "\u001b[31m\ud800", "gaps": ["\u001b[2J"]},
        {"cost": {"compute": "1e999999"}},
        {"cost": {"running": "1e40", "compute": "-5"}},
        {"cost": {"running": None}},
        {"cost": {"disk": "sNaN"}},
        {"disks": [["vol-1", EDGE, EDGE, float("inf"), "gp3", "us-east-1"]]},
        {"disks": [["vol-1", RUN[0], RUN[1], 10**40, "gp3", "us-east-1"]]},
        {"runs": [RUN[:5]]},
        {"runs": [[*RUN[:4], "../../evil", *[True] * 4]]},
        {"runs": [[EDGE, "9999-12-31T23:59:59-14:00", *RUN[2:]]]},
        {"stopped": [[1, 2]]},
        {"account": ["x"]},
    ],
)
def test_a_hostile_memory_of_removed_boxes(user, change):
    """An entry of a removed box may be damaged in any way; the others are told, and the next removal is kept."""
    user.world.has_box("dev", age=100 * 3600)
    assert user.run("down", "-y").code == 0
    (file,) = (user.home / "ledger").rglob("removed.json")
    ((key, good),) = json.loads(file.read_text()).items()
    bad = {**good, **change, "cost": {**good["cost"], **change.get("cost", {})}}
    file.write_text(json.dumps({key: good, "alice/bad": bad}))
    for words in (["cost", "--since", "60d"], ["cost", "--since", "20h"], ["cost", "--since", "60d", "-o", "json"]):
        said = user.run(*words)
        assert (said.code, "\x1b" in said.out + said.err) == (0, False), (words, said)
    user.world.has_box("dev", age=3600)
    assert user.run("down", "-y").code == 0
    assert key in json.loads(file.read_text())


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt(), OverflowError(), OSError(28, "full")])
def test_nothing_about_cost_hides_what_was_removed(user, monkeypatch, error):
    """Whatever breaks while the cost is worked out, the box is gone, what went is told, and the exit code is its."""
    user.world.has_box("dev", age=100 * 3600)
    monkeypatch.setattr(FakeCosts, "pool_history", lambda *_: (_ for _ in ()).throw(error))
    said = user.run("down", "-y", "-o", "json")
    assert said.code == 0, said
    assert {"kind": "instance", "id": "i-1", "region": "us-east-1"} in said.json["removed"]
    assert said.json["cost"] is None
    assert "what it cost is not known" in said.err


@pytest.mark.parametrize("folder", ["ledger", "cache"])
def test_a_home_that_cannot_be_written(user, folder):
    """A ledger or cache that cannot be made is none: status, cost and down work."""
    user.world.has_box("dev", age=100 * 3600)
    (user.home / folder).mkdir(parents=True, exist_ok=True)
    (user.home / folder).rmdir()
    (user.home / folder).write_text("a file where a folder should be")
    assert user.run("status").code == 0
    assert user.run("cost", "dev", "-o", "json").json == DEV
    said = user.run("down", "-y", "-o", "json")
    assert said.code == 0
    assert said.json["cost"]["compute_usd"] == pytest.approx(15.78, abs=0.001)


@pytest.mark.parametrize("file", ["ssh_config", "known_hosts"])
def test_a_disk_that_is_full(user, file):
    """What ssh knows of the box cannot be written: it is gone all the same, and what went and what it cost is told."""
    user.world.has_box("dev", age=100 * 3600)
    user.run("ssh")
    path = next(user.home.rglob(file))
    path.unlink()
    path.mkdir()  # to be written it would have to be a file
    said = user.run("down", "-y", "-o", "json")
    assert (said.code, said.json["unresolved"]) == (0, [])
    assert {"kind": "instance", "id": "i-1", "region": "us-east-1"} in said.json["removed"]
    assert said.json["cost"]["compute_usd"] == pytest.approx(15.78, abs=0.01)
    assert "what ssh on this machine knows of dev stays: " in said.err


@pytest.mark.parametrize(("word", "code"), [
    ("0001-01-01", 2), ("1900-01-01", 2), ("9999-12-31", 2), ("2026-02-30", 2), ("2026-1-1", 2), ("-1d", 2), ("", 2),
    ("\x1b[2J", 2), ("99999999999d", 2), ("367d", 2), ("366d", 0), ("0", 0), ("1d ", 0), ("2006-01-01", 0),
])  # fmt: skip
def test_since_nonsense(user, word, code):
    """An answer or a usage error, never a crash."""
    user.world.has_box("dev", age=100 * 3600)
    said = user.run("cost", "--since", word)
    assert (said.code, "\x1b" in said.err) == (code, False), said


def test_keys_of_one_many_none(user):
    """[] for no boxes, an array, an object; 7 for a named unknown one."""
    assert user.run("cost", "-o", "json").json == []
    assert user.run("cost", "--since", "1d", "-o", "json").json == []
    assert user.run("cost", "dev", "--since", "1d", "-o", "json").code == 7
    assert user.run("cost", "-o", "csv").out.strip() == ",".join(DEV)


def test_a_data_volume_that_two_lost_instances_used_is_one_disk(user):
    """The ledger tells of the same volume at each of them; it billed once."""
    user.world.has_box("dev", age=100 * 3600)
    user.run("status")
    (file,) = (user.home / "ledger").rglob("seen.json")
    base = {**MINE, "region": "us-east-1", "request": "sir-1", "from": ""}
    days = [f"2026-02-{day:02}T12:00:00+00:00" for day in (1, 11, 21)]
    data = json.loads(file.read_text())
    for id_, start, end in (("i-8", *days[:2]), ("i-9", *days[1:])):
        data[id_] = {**base, "seen": end, "ended": end, "spells": {start: [end, None, False, None]},
                     "disks": {"vol-d": [73, "gp3", days[0]]}}  # fmt: skip
    file.write_text(json.dumps(data))
    found = user.run("cost", "dev", "-o", "json").json
    assert found["disk_usd"] == pytest.approx(1.0959 + 20 * 24 * 73 * 0.08 / 730, abs=0.001)


def test_two_sides_of_a_move_count_once(user):
    """While a box stands twice during a move each instance and disk counts once, whether the ledger knows it or not."""
    world = user.world
    old, new = world.has_box("dev", "stopped", age=100 * 3600), None
    new = world.has_box("dev", age=10 * 3600, region="eu-west-1", tags={MOVED_TAG: f"i-{old}/2026-02-25T08:00:00.000Z"})
    stopped = replace(world.instances[f"i-{old}"], transition="User initiated (2026-02-28 12:00:00 GMT)")
    world.instances[f"i-{old}"] = stopped
    for _ in range(2):
        rows = user.run("cost", "-o", "json").json
        assert [row["running_hours"] for row in rows] == [10.0, 76.0]
        found = user.run("cost", "dev", "-o", "json").json
        assert (found["running_hours"], found["disk_usd"]) == (86.0, pytest.approx(110 * 8 / 730, abs=1e-4))
        user.run("status")
    world.gone(f"i-{old}")
    del world.instances[f"i-{old}"], world.requests[f"sir-{old}"]
    world.request_of(f"i-{new}", code="fulfilled")
    found = user.run("cost", "dev", "-o", "json").json
    assert found["running_hours"] == 86.0  # by the ledger, which knows what it was moved from


def test_what_moved_is_not_complete_on_another_laptop(user):
    """Without a ledger the time before a move is unknown hours, as the box's tag tells of it."""
    user.world.has_box("dev", age=10 * 3600, tags={SINCE_TAG: "2026-02-25T08:00:00.000Z"})
    found = user.run("cost", "dev", "-o", "json").json
    assert (found["running_hours"], found["complete"]) == (10.0, False)
    assert "whether it ran is not known for" in user.run("cost", "dev").err


def test_a_region_has_its_own_removed_boxes(user):
    """With -r a box that was removed in another region is not shown, as one that is there would not be."""
    user.world.has_box("dev", age=100 * 3600, region="eu-west-1")
    assert user.run("down", "-y").code == 0
    assert [row["name"] for row in user.run("cost", "--since", "30d", "-r", "eu-west-1", "-o", "json").json] == ["dev"]
    assert user.run("cost", "--since", "30d", "-r", "us-east-1", "-o", "json").json == []
    assert user.run("cost", "dev", "--since", "30d", "-r", "us-east-1").code == 7


@pytest.mark.parametrize("entry", [7, [], {"asked": EDGE}, {"owners": 3}, {"owners": {"alice": []}, "me": []},
                                   {"owners": {"alice": {"us-east-1": ["\u001b[2J", 3, None, "\ud800"]}}}])  # fmt: skip
def test_hostile_names_of_boxes(user, entry):
    """What completion remembers of boxes may be damaged in any way: commands work, and `down` removes."""
    user.world.has_box("dev", age=100 * 3600)
    user.run("status")
    (file,) = user.home.rglob("boxes.json")
    data = json.loads(file.read_text())
    (who,) = data
    hostile = {**data[who], **entry} if isinstance(entry, dict) else entry
    for words in (["status"], ["cost"], ["status", "dev"], ["down", "-y"]):
        file.write_text(json.dumps({who: hostile, "other": entry}))
        said = user.run(*words)
        assert (said.code, "\x1b" in said.out + said.err) == (0, False), said
