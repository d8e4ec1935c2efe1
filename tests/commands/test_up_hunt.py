"""`up` over several regions, and beside another terminal."""

from tests.commands.fakes import boxes, live

BOTH = ["-r", "us-east-1", "-r", "eu-west-1"]
NONE = "InsufficientInstanceCapacity"


def regions_of(things):
    return sorted({thing.region for thing in things.values()})


def test_regions_come_outermost_in_the_order_given(user):
    """All zones of the first region before the second; the plan says when key and group come there."""
    said = user.run("up", "--dry-run", "-t", "g4dn.xlarge", *BOTH)
    assert said.out.splitlines()[-1] == (
        "would submit a persistent Spot request for g4dn.xlarge in us-east-1a, then us-east-1b, eu-west-1a, "
        "eu-west-1b (key and group are made in eu-west-1 only where it comes to that)"
    )
    swapped = user.run("up", "--dry-run", "-t", "g4dn.xlarge", "-r", "eu-west-1", "-r", "us-east-1")
    assert "for g4dn.xlarge in eu-west-1a, then eu-west-1b, us-east-1a" in swapped.out


def test_the_box_lands_in_the_second_region_and_leaves_no_trace_in_the_first(user):
    """Where the first region has nothing, its key and group are taken away again."""
    user.world.refuses("RunInstances", NONE, http=500, region="us-east-1")
    said = user.run("up", "-y", *BOTH)
    assert said.code == 0
    assert said.out.startswith("dev is up: g4dn.xlarge in eu-west-1a, $0.1578/h on Spot")
    assert "-r us-east-1 -r eu-west-1" in said.out.splitlines()[-1]
    for things in (user.world.groups, user.world.keys):
        assert regions_of(things) == ["eu-west-1"]
    assert user.run("down", "-y").code == 0
    assert user.world.left() == []


def test_the_first_region_accepts_and_nothing_is_made_elsewhere(user):
    """Key and group are made in a region only when its first pool is tried."""
    assert user.run("up", "-y", *BOTH).code == 0
    assert regions_of(user.world.groups) == regions_of(user.world.keys) == ["us-east-1"]


def test_no_region_has_anything(user):
    """Exit 3, and neither region keeps a trace."""
    user.world.refuses("RunInstances", NONE, http=500)
    said = user.run("up", "-y", "--wait", "2m", *BOTH)
    assert (said.code, user.world.left()) == (3, [])


def test_ctrl_c_in_the_second_region_leaves_no_trace_in_either(user):
    """Cut off while the second region was tried: what was made goes in both."""
    user.world.refuses("RunInstances", NONE, http=500, region="us-east-1")
    user.world.interrupts("RunInstances", after=True)
    said = user.run("up", "-y", *BOTH)
    assert (said.code, user.world.left()) == (130, [])
    assert said.err.splitlines()[-1].startswith("  Nothing of dev exists any more")


def test_a_region_that_cannot_serve_is_left_out(user):
    """A type that one region does not sell costs a remark; where no region sells it, it is a usage error."""
    user.world.offers("us-east-1", "g5.xlarge")
    said = user.run("up", "-y", "-t", "g5.xlarge", *BOTH)
    assert said.code == 0
    assert "us-east-1 is left out: " in said.err
    assert boxes(user.world)[0].region == "eu-west-1"


def test_a_zone_names_its_region(user):
    """-z narrows the pools of every region: one without a named zone is left out, and told."""
    said = user.run("up", "--dry-run", "-z", "eu-west-1b", *BOTH)
    assert "us-east-1 is left out: " in said.err
    assert said.out.splitlines()[-1] == "would submit a persistent Spot request for g4dn.xlarge in eu-west-1b"


def test_a_box_in_any_of_the_regions_is_the_box(user):
    """-r with several regions does not differ from a box in one of them."""
    user.world.has_box("dev", "stopped", region="eu-west-1")
    said = user.run("up", "-y", *BOTH)
    assert said.code == 0
    assert "spotbox move" not in said.err


def test_up_does_not_take_all_regions(user):
    """`-r all` is for prices: a hunt has an order."""
    said = user.run("up", "-y", "-r", "all")
    assert (said.code, user.world.left()) == (2, [])


def test_a_region_that_cannot_be_searched_gets_no_box(user):
    """Where a box of that name may stand unseen, none is made."""
    user.world.refuses("DescribeInstances", "UnauthorizedOperation", http=403, region="us-east-1")
    said = user.run("up", "-y")
    assert (said.code, user.world.left()) == (5, [])


# -- two terminals at once -----------------------------------------------------------------------------------------


def test_of_two_terminals_the_later_gives_way(user):
    """Another terminal's launch of the same name, in another pool and earlier: this run's own goes, that one stays."""
    user.world.refuses("RunInstances", NONE, http=500, zone="us-east-1a")

    user.world.later(2, lambda: user.world.has_box("dev", "starting", age=30))
    said = user.run("up", "-y")
    assert said.code == 0
    assert "another terminal launched dev first" in said.err
    (kept,) = live(user.world)
    assert [i.request_id for i in user.world.instances.values() if i.state == "running"] == [kept.id]
    assert kept.created < user.world.now()
    own = user.run("status", "dev").out.split("compute at ")[1].split("/h")[0]
    assert f"dev is up: g4dn.xlarge in us-east-1a, {own}/h" in said.err + said.out
