import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotbox.core.errors import Exit, UsageError
from spotbox.core.settings import read_settings

FLAGS = {"region", "zone", "max-price", "sandbox", "disk-size", "pool", "yes", "config", "dry-run", "print", "help"}


def read(text, pool=None):
    return read_settings(tomllib.loads(text), FLAGS, pool, "config.toml").in_force


def refused(text, pool=None):
    with pytest.raises(UsageError) as told:
        read(text, pool)
    assert told.value.exit_code is Exit.USAGE
    assert told.value.message.startswith("config.toml")
    return told.value.message


def test_no_file_is_no_setting():
    """An empty file sets nothing."""
    assert read("") == {}


def test_values_as_the_flags_take_them():
    """Text and numbers become text, switches stay, lists are lists of text."""
    text = '[defaults]\nregion = "eu-west-1"\ndisk-size = 200\nmax-price = 0.5\nsandbox = true\nzone = ["a", "b"]'
    assert read(text) == {
        "region": "eu-west-1",
        "disk-size": "200",
        "max-price": "0.5",
        "sandbox": True,
        "zone": ["a", "b"],
    }


POOLS = """
[defaults]
region = "us-east-1"
max-price = "on-demand"
[pool.cheap]
max-price = "50%"
[pool.far]
region = "eu-west-1"
"""


def test_the_pool_goes_over_the_defaults():
    """Only the chosen pool counts; what it does not say comes from [defaults]."""
    assert read(POOLS) == {"region": "us-east-1", "max-price": "on-demand"}
    assert read(POOLS, "cheap") == {"region": "us-east-1", "max-price": "50%", "pool": "cheap"}
    assert read(POOLS, "far") == {"region": "eu-west-1", "max-price": "on-demand", "pool": "far"}


def test_the_defaults_may_choose_the_pool():
    """`pool` in [defaults] is a default of --pool, and --pool goes over it."""
    text = POOLS.replace("[defaults]", '[defaults]\npool = "cheap"')
    assert read(text)["max-price"] == "50%"
    assert read(text, "far") == {"region": "eu-west-1", "max-price": "on-demand", "pool": "far"}


def test_an_unknown_key_names_the_nearest():
    """The error names the file, the place and the word that was probably meant."""
    assert refused("[defaults]\nregoin = 'x'") == (
        "config.toml: [defaults] has no setting 'regoin' (did you mean region?)"
    )
    assert refused("[pool.a]\nmax_prise = 1") == (
        "config.toml: [pool.a] has no setting 'max_prise' (did you mean max-price?)"
    )
    assert refused("[pool.a]\nmax-boxs = 1").endswith("(did you mean max-boxes?)")
    assert refused("[defaults]\nxyzzy = 1") == "config.toml: [defaults] has no setting 'xyzzy'"


def test_a_pool_that_is_not_chosen_is_checked_all_the_same():
    """An error does not wait until the day its pool is used."""
    assert "[pool.b] has no setting" in refused("[pool.a]\n[pool.b]\nnope = 1", "a")


@pytest.mark.parametrize("key", ["yes", "config", "dry-run", "print", "help"])
def test_consent_is_never_kept_in_a_file(key):
    """-y and its kind are said each time."""
    assert "has no setting" in refused(f"[defaults]\n{key} = true")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[default]\nregion = 'x'", "unknown section [default] (did you mean defaults?)"),
        ("region = 'x'", "unknown section [region]"),
        ("defaults = 1", "defaults must be a table"),
        ("pool = 'a'", "pool must be a table"),
        ("[pool]\na = 1", "pool.a must be a table"),
        ("[[pool]]\na = 1", "pool must be a table"),
        ("[defaults]\nregion = 1979-05-27", "[defaults] region is neither text, number"),
        ("[defaults]\nzone = [['a']]", "[defaults] zone is neither text, number"),
        ("[defaults]\nzone = [true]", "[defaults] zone is neither text, number"),
        ("[defaults]\nregion = {a = 1}", "[defaults] region is neither text, number"),
    ],
)
def test_a_form_that_means_nothing(text, says):
    """Sections and values of another form are told with their place."""
    assert says in refused(text)


def test_an_unknown_pool_names_those_there_are():
    """The nearest pool is offered."""
    assert "has no pool 'cheep' (did you mean cheap?)" in refused(POOLS, "cheep")
    assert "has no pool 'x'" in refused("", "x")


def test_names_from_the_file_are_made_safe():
    """A control character in a key does not reach the terminal."""
    assert refused('[defaults]\n"a\\u001b[31m" = 1').isprintable()
    assert refused('["x\\u001b"]\na = 1').isprintable()


LEAF = st.one_of(st.text(max_size=3), st.integers(), st.booleans(), st.floats(), st.none(), st.lists(st.integers()))
TREE = st.recursive(LEAF, lambda inner: st.dictionaries(
    st.sampled_from(["defaults", "pool", "region", "zone", "a", ""]), inner, max_size=3), max_leaves=6)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["defaults", "pool", "x"]), TREE, max_size=3), st.sampled_from([None, "a"]))
def test_no_file_is_a_crash(data, pool):
    """Whatever TOML holds: settings or a usage error."""
    try:
        found = read_settings(data, FLAGS, pool, "config.toml").in_force
    except UsageError:
        return
    assert all(isinstance(value, str | bool | list) for value in found.values())


def pool(text, name="a"):
    """The pool of that name."""
    return read_settings(tomllib.loads(text), FLAGS | {"park", "fallback"}, name, "config.toml").pool


def test_what_only_a_pool_has():
    """market and max-boxes, in either spelling; without them Spot, and no limit."""
    both = pool('[pool.a]\nmarket = "on-demand"\nmax_boxes = 2\nregion = "r"')
    assert (both.market, both.on_demand, both.max_boxes, dict(both.flags)) == ("on-demand", True, 2, {"region": "r"})
    bare = pool("[pool.a]")
    assert (bare.market, bare.on_demand, bare.max_boxes) == ("spot", False, None)
    assert pool('[pool.a]\nmax-boxes = "3"').max_boxes == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('market = "ondemand"', "[pool.a] market is 'ondemand' (did you mean on-demand?)"),
        ("market = true", "[pool.a] market is 'True'"),
        ("max-boxes = 0", "[pool.a] max-boxes is '0'"),
        ("max-boxes = 1.5", "[pool.a] max-boxes is '1.5'"),
        ("max-boxes = true", "[pool.a] max-boxes is 'True'"),
        ("max-boxes = [1]", "[pool.a] max-boxes is "),
        ('pool = "b"', "[pool.a] has no setting 'pool'"),
        ("max_price = 1\nmax-price = 2", "[pool.a] has max-price twice"),
        ('market = "on-demand"\nmax-price = 1', "[pool.a] is on demand, and max-price is for Spot alone"),
        ("on-demand = true", "[pool.a] has on-demand, which its market says"),
        ('market = "on-demand"\npark = true', "[pool.a] is on demand, and park is for Spot alone"),
    ],
)
def test_a_pool_that_means_nothing(text, says):
    """Each mistake is told with its place, whether the pool is chosen or not."""
    with pytest.raises(UsageError) as told:
        read_settings(tomllib.loads(f"[pool.a]\n{text}"), FLAGS | {"park", "on-demand"}, None, "config.toml")
    assert says in told.value.message


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "-a", "x" * 65, "a\u001b"])
def test_a_name_that_is_none(name):
    """A pool's name is a tag's value and a word of the shell."""
    with pytest.raises(UsageError, match="cannot be a pool's name") as told:
        read_settings({"pool": {name: {}}}, FLAGS, None, "config.toml")
    assert told.value.message.isprintable()


def test_market_is_no_default():
    """It belongs to a pool, and the hint says so."""
    with pytest.raises(UsageError) as told:
        read('[defaults]\nmarket = "spot"')
    assert told.value.hint == "It belongs in a [pool.NAME]."


def test_where_a_setting_comes_from():
    """The pool's section, [defaults], or none; what Spot alone has does not come from [defaults] on demand."""
    text = '[defaults]\nregion = "r"\nmax-price = "1"\n[pool.a]\nmarket = "on-demand"\nzone = "z"'
    found = read_settings(tomllib.loads(text), FLAGS, "a", "config.toml")
    assert [found.place(key) for key in ("region", "zone", "max-price", "disk-size")] == [
        "[defaults]", "[pool.a]", None, None
    ]  # fmt: skip
    assert found.in_force == {"region": "r", "zone": "z", "pool": "a"}
