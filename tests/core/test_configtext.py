"""Settings written into the text of a config file."""

import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotbox.core.configtext import literal, quote, set_defaults
from spotbox.core.errors import UsageError
from spotbox.core.settings import read_settings
from spotbox.options import KNOWN_FLAGS
from spotbox.resources import template_path

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXT)
def test_every_text_is_read_back(text):
    """Quotes, backslashes, control characters and U+007F come back as they were."""
    assert tomllib.loads(f"x = {quote(text)}")["x"] == text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(TEXT, st.booleans(), st.lists(TEXT)))
def test_every_setting_is_read_back(value):
    """Text, a switch, a list of texts."""
    assert tomllib.loads(f"x = {literal(value)}")["x"] == value


def test_a_lone_surrogate_is_no_text():
    """What no UTF-8 file can hold is a usage error."""
    with pytest.raises(UsageError):
        quote("\udc80")


OLD = """\
# mine
[defaults]
max_price = "0.5"   # high
# region = "x"
zone = ["a",
  "b"]

[pool.big]   # keep
region = "eu-west-1"
"""
NEW = """\
# mine
[defaults]
max-price = "60%"
region = "us-west-2"
zone = ["a",
  "b"]

[pool.big]   # keep
region = "eu-west-1"
"""


def test_comments_and_pools_stay():
    """A key is changed where it stands, in either spelling; a new one takes the place of its commented line."""
    assert set_defaults(OLD, {"max-price": "60%", "region": "us-west-2", "key": None}, "f") == NEW


def test_what_says_the_same_stays_as_it_is_written():
    """Letter by letter, with the comment behind it, over several lines or with a bare number."""
    text = (
        "[defaults]\nregion = 'eu-west-1'   # near me\ndisk_size=200\n"
        'tag = ["a=#1"] # no\ninstance-type = [\n  "g5.xlarge", # first\n  "g6.xlarge",\n]\n'
    )
    same = {"region": "eu-west-1", "disk-size": "200", "instance-type": ["g5.xlarge", "g6.xlarge"], "gpu": None}
    assert set_defaults(text, same, "f") == text
    changed = set_defaults(text, {**same, "region": "us-east-1"}, "f")
    assert changed == text.replace("region = 'eu-west-1'   # near me", 'region = "us-east-1"')


def test_none_takes_a_setting_out():
    """And leaves the rest."""
    assert tomllib.loads(set_defaults(OLD, {"max-price": None}, "f")) == {
        "defaults": {"zone": ["a", "b"]}, "pool": {"big": {"region": "eu-west-1"}}
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "[pool.a]\n", "# only words"])
def test_a_file_without_defaults_gets_them(text):
    """The section is added; what was there stays."""
    new = set_defaults(text, {"region": "r"}, "f")
    assert new.startswith(text)
    assert tomllib.loads(new)["defaults"] == {"region": "r"}


@pytest.mark.parametrize("text", ["defaults = {region = 'x'}", "[defaults]\nzone = [\n'a']\n", "defaults.region = 'x'"])
def test_what_cannot_be_changed_is_refused(text):
    """A way of writing that the lines do not show is a usage error that says what to write, and nothing is lost."""
    with pytest.raises(UsageError, match=r"cannot change|no valid TOML"):
        set_defaults(text, {"zone": "b", "region": "y"}, "f")


KEYS = st.sampled_from(["region", "max-price", "key", "zone"])
VALUES = st.dictionaries(KEYS, st.one_of(st.none(), TEXT, st.lists(TEXT)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, VALUES)
def test_the_outcome_is_what_was_asked_for(first, then):
    """Whatever was set before: a key holds the new value, one that is None is gone, the others stay."""
    try:
        text = set_defaults(OLD, first, "f")
        new = tomllib.loads(set_defaults(text, then, "f"))["defaults"]
    except UsageError:  # zone = [ on two lines
        assert "zone" in {**first, **then}
        return
    assert {key: new.get(key) for key in then} == then
    now = {key.replace("_", "-"): value for key, value in tomllib.loads(text)["defaults"].items()}
    after = {key.replace("_", "-"): value for key, value in new.items()}
    assert {k: v for k, v in now.items() if k not in then} == {k: v for k, v in after.items() if k not in then}


def test_the_sample_means_something():
    """As it is it sets nothing; with every # taken away each line is a setting that is known, within 80 columns."""
    text = template_path("config.toml").read_text()
    assert all(len(line) <= 80 for line in text.splitlines())
    empty = read_settings(tomllib.loads(text), KNOWN_FLAGS, None, "f")
    assert (dict(empty.defaults), dict(empty.pools)) == ({}, {})
    lines = text.splitlines()
    live = [line.removeprefix("# ") for line in lines if not line.startswith("# ") or "=" in line or line[2] == "["]
    full = read_settings(tomllib.loads("\n".join(live)), KNOWN_FLAGS, None, "f")
    assert set(full.defaults) == {
        "region", "instance-type", "gpu", "max-price", "disk-size", "idle-stop", "key", "pool"
    }  # fmt: skip
    assert {p.market for p in full.pools.values()} == {"spot", "on-demand"}
    assert full.pool.name == "spot"
