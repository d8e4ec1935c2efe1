"""`up --pool`: the market of a pool, its limit, its tag, and what is told of it."""

from decimal import Decimal

import pytest

from spotbox.commands._choose import offers_of
from spotbox.commands._pools import admit
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.jobs import TrainingJob
from spotbox.core.names import POOL_TAG
from spotbox.core.settings import Pool
from tests.commands.fakes import live
from tests.commands.world import A10G, T4

CONFIG = """
[pool.spot]
instance-type = "g4dn.xlarge"
max-boxes = 2

[pool.dear]
instance_type = "g5.xlarge"
market = "on-demand"

[pool.jobs]
instance-type = ["ml.g5.xlarge"]
role = "SageMakerRole"

[pool.both]
instance-type = ["ml.g5.xlarge", "g5.xlarge"]
"""


@pytest.fixture
def pools(user):
    """A user with these pools."""
    user.home.mkdir(exist_ok=True)
    (user.home / "config.toml").write_text(CONFIG)
    return user


def tagged(world):
    """The pool tag of everything there is, the owner's key apart."""
    parts = [*world.requests.values(), *world.instances.values(), *world.volumes.values(), *world.groups.values()]
    return [part.tags.get(POOL_TAG) for part in parts]


def test_a_box_of_a_pool(pools):
    """Its flags come from the pool; all of it bears the pool's tag but the key; status and the line tell it."""
    said = pools.run("up", "-y", "--pool", "spot")
    assert said.code == 0, said.err
    assert "  pool       spot (on Spot, at most 2 boxes)\n" in said.err
    assert "spotbox up dev -r us-east-1 -t g4dn.xlarge --pool spot --disk-size 100 -y" in said.out
    assert tagged(pools.world) == ["spot"] * 4
    assert [POOL_TAG in key.tags for key in pools.world.keys.values()] == [False]
    assert ["pool", "spot"] in [line.split() for line in pools.run("status", "dev").out.splitlines()]
    assert "pool" not in pools.run("status", "dev", "-o", "json").json


def test_on_demand_at_once(pools):
    """Spot is not tried: no request, no Spot words in summary, plan or end; status says on-demand."""
    pools.world.refuses("RunInstances spot", "InsufficientInstanceCapacity")
    said = pools.run("up", "-y", "--pool", "dear")
    assert said.code == 0, said.err
    assert pools.world.requests == {}
    assert [i.lifecycle for i in pools.world.instances.values()] != ["spot"]
    assert "  pool       dear (on demand)\n" in said.err
    assert "  price      $1.0060/h on demand\n" in said.err
    assert "  - launch on demand g5.xlarge in us-east-1a\n" in said.err
    assert "Spot" not in said.err
    assert said.out.startswith("dev is up: g5.xlarge in us-east-1a, $1.0060/h on demand\n")
    assert "spotbox up dev -r us-east-1 -t g5.xlarge --pool dear --disk-size 100 -y" in said.out
    record = pools.run("status", "dev", "-o", "json").json
    assert (record["market"], record["request_id"]) == ("on-demand", None)
    assert tagged(pools.world) == ["dear"] * 3


def test_on_demand_asks_for_no_maximum(pools):
    """The question for the maximum price is Spot's."""
    asked = [("Region", ...), ("Availability Zone", ...), ("Disk", ...), ("Stop when idle", ...), ("Go ahead?", False)]
    said = pools.run("up", "--pool", "dear", answers=asked)
    assert (said.code, pools.world.left()) == (1, [])


def test_the_on_demand_quota_counts(pools):
    """Exit 4 names the on-demand quota, not Spot's."""
    pools.world.quota = Decimal(2)
    said = pools.run("up", "-y", "--pool", "dear")
    assert said.code == 4
    assert "your on-demand quota in us-east-1 is 2 vCPU (Running On-Demand G and VT instances)" in said.err
    assert "L-DB2E81BA" in said.err
    assert pools.world.left() == []


@pytest.mark.parametrize("flags", [["--max-price", "0.5"], ["--park"], ["--fallback", "on-demand"]])
def test_what_is_spots_alone_is_refused_on_demand(pools, flags):
    """A maximum price, a standing request and a fallback mean nothing there: exit 2, nothing made."""
    said = pools.run("up", "-y", "--pool", "dear", *flags)
    assert (said.code, pools.world.left()) == (2, [])
    assert f"{flags[0]} is for Spot, and pool dear is on demand" in said.err


def test_defaults_for_spot_do_not_hold_on_demand(pools):
    """max-price of [defaults] is for the Spot boxes, and no error for a pool on demand."""
    (pools.home / "config.toml").write_text('[defaults]\nmax-price = "60%"\n' + CONFIG)
    assert pools.run("up", "-y", "--pool", "dear").code == 0
    assert "--max-price 60%" in pools.run("up", "two", "-y", "--pool", "spot").out


def test_a_full_pool(pools):
    """The third is refused before anything is made, waiting and stopped boxes count, and the ones there are named."""
    pools.world.has_box("a", "waiting", tags={POOL_TAG: "spot"})
    pools.world.has_box("b", "stopped", region="eu-west-1", tags={POOL_TAG: "spot"})
    pools.world.has_box("c", "running")
    before = pools.world.left()
    said = pools.run("up", "-y", "--pool", "spot")
    assert said.code == 4
    assert (
        "pool spot has room for 2, and 1 is asked for; it holds b (stopped, eu-west-1) and a (waiting, us-east-1)"
        in (said.err)
    )
    assert pools.world.left() == before
    assert pools.run("up", "-y", "--pool", "spot", "--dry-run").code == 4


def test_a_box_of_a_full_pool_comes_up_again(pools):
    """It has its place already."""
    pools.world.has_box("a", "stopped", tags={POOL_TAG: "spot"})
    pools.world.has_box("b", "running", tags={POOL_TAG: "spot"})
    assert pools.run("up", "a", "-y", "--pool", "spot").code == 0


def test_another_owners_boxes_take_no_place(pools):
    """max-boxes is the owner's own."""
    for name in ("a", "b"):
        pools.world.has_box(name, owner="bob", tags={POOL_TAG: "spot"})
    assert pools.run("up", "-y", "--pool", "spot").code == 0


def test_the_younger_of_two_gives_way(pools):
    """Another terminal took the last place at the same time, and was first: this box goes again, exit 4."""
    pools.world.has_box("a", tags={POOL_TAG: "spot"})
    pools.world.later(0.1, lambda: pools.world.has_box("b", age=60, tags={POOL_TAG: "spot"}))
    said = pools.run("up", "-y", "--pool", "spot")
    assert said.code == 4
    assert (
        "pool spot was filled meanwhile by a (running, us-east-1) and b (running, us-east-1): dev goes again"
        in said.err
    )
    assert {request.tags["spotbox:name"] for request in live(pools.world)} == {"a", "b"}


def test_the_elder_of_two_stays(pools):
    """The other one was later, and gives way."""
    pools.world.has_box("a", tags={POOL_TAG: "spot"})
    pools.world.later(0.1, lambda: pools.world.has_box("b", age=-60, tags={POOL_TAG: "spot"}))
    assert pools.run("up", "-y", "--pool", "spot").code == 0


def test_a_pool_of_job_types_is_none_for_a_box(pools):
    """ml. types are left to `train`; where a pool names nothing else, `up` says so."""
    said = pools.run("up", "-y", "--pool", "jobs")
    assert said.code == 2
    assert "pool jobs names ml. types only, and a box takes none of them" in said.err
    assert pools.run("up", "-y", "--pool", "jobs", "-t", "g5.xlarge", "--dry-run").code == 0
    assert "g5.xlarge" in pools.run("up", "-y", "--pool", "both", "--dry-run").out
    assert "ml.g5.xlarge is a type of SageMaker's" in pools.run("up", "-y", "-t", "ml.g5.xlarge").err


def test_the_reason_while_waiting_names_the_pool(pools):
    """A box of the pool that waits with AWS: the line that shows why begins with the pool."""
    pools.world.has_box("dev", "waiting", tags={POOL_TAG: "spot"})
    said = pools.run("up", "-y", "--pool", "spot", "--wait", "5s")
    assert said.code == 3
    assert "pool spot: waiting: " in said.err


def test_a_box_of_no_pool_stays_so(pools):
    """--pool on a box that exists is told, not silently ignored."""
    pools.world.has_box("dev")
    said = pools.run("up", "-y", "--pool", "spot")
    assert "dev is in no pool, not in spot: --pool counts at the first launch only" in said.err


def test_values_are_checked_in_every_pool(pools):
    """A value that its flag does not take is an error of file, pool and key, whichever pool is chosen."""
    (pools.home / "config.toml").write_text(CONFIG + '[pool.bad]\ndisk-size = "huge"\n')
    said = pools.run("up", "-y", "--pool", "spot")
    assert said.code == 2
    assert "config.toml: [pool.bad] disk-size: " in said.err


def test_the_nearest_pool(pools):
    """A pool that is not there names the nearest."""
    said = pools.run("up", "-y", "--pool", "dera")
    assert (said.code, "has no pool 'dera' (did you mean dear?)" in said.err) == (2, True)


def job(pools, name, count, region, pool="spot", status="InProgress"):
    """A training job as AWS tells it."""
    return TrainingJob(name, "arn", region, status, "", pools.world.now(), "ml.g5.xlarge", count, True,
                       tags=((POOL_TAG, pool),))  # fmt: skip


def test_training_jobs_take_places(pools):
    """Instances of jobs that run in the pool count beside the boxes; a region that cannot be asked costs a remark."""
    pools.world.has_box("a", tags={POOL_TAG: "spot"})
    pools.run("status")
    app, asked = pools.app, []

    def jobs(region, owner, since, limit):
        asked.append((region, owner))
        if region == "eu-west-1":
            raise SpotboxError("not allowed", "", Exit.DENIED)
        return (job(pools, "j", 2, region), job(pools, "old", 9, region, status="Completed"))

    app.cloud.jobs = jobs
    with pytest.raises(SpotboxError) as told:
        admit(app, Pool("spot", max_boxes=4), "alice", wanted=2, jobs=True)
    assert told.value.exit_code is Exit.QUOTA
    assert "it holds a (running, us-east-1) and job j (2, us-east-1)" in told.value.message
    assert sorted(asked) == [("eu-west-1", "alice"), ("us-east-1", "alice")]
    said = pools.capsys.readouterr().err
    assert "could not count the training jobs of pool spot in eu-west-1: not allowed" in said
    admit(app, Pool("spot", max_boxes=4), "alice", wanted=1, jobs=True)


def test_up_asks_for_jobs_only_where_jobs_may_be(pools):
    """A pool without keys of jobs asks SageMaker nothing: the policy of a box does not allow it."""
    pools.run("status")

    def jobs(*_):
        raise AssertionError("asked")

    pools.app.cloud.jobs = jobs
    admit(pools.app, Pool("spot", {"instance-type": ["g5.xlarge"]}, max_boxes=1), "alice", "dev")
    admit(pools.app, Pool("spot", {"role": "r"}), "alice", "dev")
    with pytest.raises(AssertionError):
        admit(pools.app, Pool("spot", {"role": "r"}, max_boxes=1), "alice", "dev")


def test_a_zone_without_a_spot_price_will_do_on_demand():
    """Every zone that offers the type and has a subnet is a pool, the cheapest type first."""
    offered = {"g5.xlarge": frozenset({"a", "b", "x"}), "g4dn.xlarge": frozenset({"b"})}
    usd = {"g5.xlarge": Decimal("1.006"), "g4dn.xlarge": Decimal("0.526")}
    spot = {("g5.xlarge", "a"): Decimal("0.1")}
    found = offers_of("r", {t.name: t for t in (A10G, T4)}, offered, spot, usd, {"a", "b"}, on_spot=False)
    assert [(o.type.name, o.zone, o.spot) for o in found] == [
        ("g4dn.xlarge", "b", None), ("g5.xlarge", "a", Decimal("0.1")), ("g5.xlarge", "b", None)
    ]  # fmt: skip


def test_a_data_volume_on_demand(pools):
    """The plan of a box on demand says that it gets its data volume."""
    said = pools.run("up", "-y", "--pool", "dear", "--data-size", "50")
    assert said.code == 0, said.err
    assert "launch on demand g5.xlarge in us-east-1a; then make and attach a data volume of 50 GiB" in said.err
    assert set(tagged(pools.world)) == {"dear"}


def test_watching_shows_the_pool(pools):
    """`status NAME` in full, by whatever way it is shown."""
    from spotbox.core.report import full_lines

    assert ("pool", "big\\x1b") in full_lines({"market": "spot", "state": "running"}, None, None, "big\x1b")
