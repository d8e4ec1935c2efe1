"""The fewest questions about on-demand prices, and what is kept of the answers."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from spotbox.aws.pricelist import ASIC, FEW, GPU, Ask, Kept, asks, family_of
from spotbox.aws.pricing import disk_price, endpoint_region, on_demand
from tests.aws.conftest import NOW
from tests.aws.endpoint import endpoint
from tests.aws.test_pricing import PRICES, catalogue, everything
from tests.core.test_prices import disk, product

PAIR = ("us-east-1", "g5.xlarge")
GPUS = [f"g5.{n}xlarge" for n in (1, 2, 4, 8, 12, 16, 24)]
ASICS = ["trn1.2xlarge", "trn1.32xlarge", "inf2.xlarge", "inf2.8xlarge", "dl1.24xlarge"]
REGIONS = [f"us-east-{n}" for n in range(1, 18)]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("g4dn.xlarge", GPU),
        ("gr6f.4xlarge", GPU),
        ("p6-b200.48xlarge", GPU),
        ("inf1.xlarge", ASIC),
        ("trn2u.48xlarge", ASIC),
        ("dl2q.24xlarge", ASIC),
        ("m5.large", ""),
        ("vt1.3xlarge", ""),
        ("", ""),
        ("G5", ""),
    ],
)
def test_family(name, family):
    """The family is that of the letters before the generation."""
    assert family_of(name) == family


def questions(regions, types):
    return [(ask.region, ask.instance_type, ask.family) for ask in asks(dict.fromkeys(regions, types))]


def test_one_type_over_all_regions_is_one_question():
    """Fewer types than regions are asked by type, without a region, and settle each pair."""
    (ask,) = asks({region: ["g5.xlarge"] for region in REGIONS})
    assert (ask.region, ask.instance_type, ask.family, ask.marks) == (None, "g5.xlarge", None, ())
    assert set(ask.pairs) == {(region, "g5.xlarge") for region in REGIONS}
    assert questions(REGIONS, GPUS) == [(None, name, None) for name in GPUS]


def test_a_few_types_of_one_region_are_asked_by_name():
    """In one region up to four types are asked one by one; more are one listing of the region's GPU types."""
    assert questions(["us-east-1"], GPUS[:FEW]) == [("us-east-1", name, None) for name in GPUS[:FEW]]
    assert questions(["us-east-1"], GPUS) == [("us-east-1", None, GPU)]


def test_many_types_are_listed_by_region():
    """GPU types by region; chips that are no GPUs, of which there are few, in one question for all regions."""
    many = GPUS * 3 + [f"p{n}.xlarge" for n in range(20)]
    found = questions(REGIONS, [*many, *ASICS, "m5.large"])
    assert found == [*((region, None, GPU) for region in REGIONS), (None, None, ASIC), (None, "m5.large", None)]
    assert questions(["us-east-1"], ASICS) == [("us-east-1", None, ASIC)]
    others = [f"m5.{n}xlarge" for n in range(40)]
    assert questions(["us-east-1"], others) == [("us-east-1", None, None)]


def test_no_types_no_questions():
    """Nothing wanted is nothing asked."""
    assert asks({"us-east-1": []}) == asks({}) == []


def test_what_an_answer_does_not_tell_is_known_to_be_unknown(store):
    """The answer to a question by type settles the pairs that it was about, for a day where it tells no price."""
    kept = Kept(store)
    kept.file(Ask(None, "g5.xlarge", pairs=(PAIR, ("eu-west-1", "g5.xlarge"))), {PAIR: Decimal("1.006")})
    kept.save()
    again = Kept(store)
    assert again.has(("eu-west-1", "g5.xlarge"))
    assert again.prices([PAIR, ("eu-west-1", "g5.xlarge")]) == ({PAIR: Decimal("1.006")}, NOW)
    store.now.at = NOW + timedelta(days=2)
    assert (again.has(PAIR), again.has(("eu-west-1", "g5.xlarge"))) == (True, False)
    store.now.at = NOW + timedelta(days=7, seconds=1)
    assert not again.has(PAIR)
    store.now.at = NOW - timedelta(days=1)
    assert not again.has(PAIR)  # of the future


def test_a_listing_covers_its_family(store):
    """After a region was listed its other types of that family are not listed again, but are not known either."""
    kept = Kept(store)
    kept.file(Ask("us-east-1", family=GPU, marks=("us-east-1",)), {PAIR: Decimal(1)})
    kept.save()
    again = Kept(store)
    assert again.covers("us-east-1", "g6.xlarge")
    assert not again.has(("us-east-1", "g6.xlarge"))
    assert not again.covers("us-east-1", "trn1.2xlarge")
    assert not again.covers("eu-west-1", "g6.xlarge")


def test_the_age_is_that_of_the_oldest_figure(store):
    """Of what is live and what is kept, the oldest kept figure gives the age; all live gives none."""
    kept = Kept(store)
    kept.file(Ask("us-east-1", "g5.xlarge", pairs=(PAIR,)), {PAIR: Decimal(1)})
    assert kept.prices([PAIR])[1] is None
    kept.save()
    store.now.at = NOW + timedelta(days=1)
    later = Kept(store)
    later.file(Ask("us-east-1", "g6.xlarge"), {("us-east-1", "g6.xlarge"): Decimal(2)})
    later.save()
    store.now.at = NOW + timedelta(days=2)
    assert Kept(store).prices([PAIR, ("us-east-1", "g6.xlarge")])[1] == NOW


@pytest.mark.parametrize(
    "entry",
    [
        5,
        None,
        "1.0",
        [],
        ["1.0"],
        ["1.0", "soon"],
        ["0", NOW.isoformat()],
        ["-1", NOW.isoformat()],
        ["NaN", NOW.isoformat()],
        ["99999", NOW.isoformat()],
        [{"a": 1}, NOW.isoformat()],
        ["1.0", NOW.isoformat(), 1],
        ["1.0", "2027-01-01T00:00:00+00:00"],
    ],
)
def test_a_damaged_entry_is_not_there(store, entry):
    """An entry of another shape, without a price that can be one, or of the future, is asked again."""
    store.update("on-demand", lambda _: {"us-east-1": {"g5.xlarge": entry}, "eu-west-1": 5})
    kept = Kept(store)
    assert not kept.has(PAIR)
    assert not kept.has(("eu-west-1", "g5.xlarge"))
    kept.file(Ask("eu-west-1", "g5.xlarge"), {("eu-west-1", "g5.xlarge"): Decimal(1)})
    kept.save()
    assert Kept(store).has(("eu-west-1", "g5.xlarge"))


def test_two_that_save_at_once_lose_nothing(store):
    """What another has kept meanwhile stays."""
    one, other = Kept(store), Kept(store)
    one.file(Ask("us-east-1", "g5.xlarge"), {PAIR: Decimal(1)})
    other.file(Ask("us-east-1", "g6.xlarge"), {("us-east-1", "g6.xlarge"): Decimal(2)})
    one.save()
    other.save()
    assert Kept(store).prices([PAIR, ("us-east-1", "g6.xlarge")])[0] == {PAIR: 1, ("us-east-1", "g6.xlarge"): 2}


def test_on_demand_is_asked_once_a_week(store):
    """The second time nothing is asked, and the age of the figures is told."""
    with endpoint(catalogue(*everything())) as world:
        first = on_demand(world.aws(), "us-east-1", list(PRICES), store)
        del world.asked[:]
        again = on_demand(world.aws(), "us-east-1", list(PRICES), store)
    assert world.asked == []
    assert first.usd == again.usd == {name: Decimal(usd) for name, usd in PRICES.items()}
    assert (first.asked, again.asked) == (None, NOW)


def test_a_listing_that_lacks_a_type_is_made_up_by_name():
    """What the listing of a region does not tell (another family than its name says) is asked by type, once."""
    names = [*GPUS, "p9.xlarge"]
    rows = [product(name, "2.0", instanceFamily="GPU instance") for name in GPUS]
    rows.append(product("p9.xlarge", "3.0", instanceFamily="Something new"))
    with endpoint(catalogue(*rows)) as world:
        found = on_demand(world.aws(), "us-east-1", [*names, "p8.xlarge"])
    assert found.usd == {**dict.fromkeys(GPUS, Decimal("2.0")), "p9.xlarge": Decimal("3.0")}
    asked = [f["Value"] for call in world.asked for f in call.json["Filters"] if f["Field"] == "instanceType"]
    assert sorted(set(asked)) == ["p8.xlarge", "p9.xlarge"]


def test_a_throttled_question_is_asked_again():
    """A call that is throttled once more than botocore bears is made again with the next round."""
    rows, fails = catalogue(product()), [1, 1]

    def answer(asked):
        if fails:
            fails.pop()
            return 400, json.dumps({"__type": "ThrottlingException", "Message": "slow down"})
        return rows(asked)

    with endpoint(answer) as world:
        found = on_demand(world.aws(), "us-east-1", ["g5.xlarge"])
    assert (dict(found.usd), found.remark) == ({"g5.xlarge": Decimal("1.006")}, "")


def test_disk_prices_are_kept_too(store):
    """A disk's price is asked once a week; one that AWS does not tell, once a day."""
    rows = [json.dumps(disk()).replace('"volumeApiName"', '"productFamily": "Storage", "volumeApiName"')]
    with endpoint(catalogue(*rows)) as world:
        for _ in range(2):
            assert disk_price(world.aws(), "us-east-1", "gp3", store) == Decimal("0.08")
            assert disk_price(world.aws(), "us-east-1", "gp9", store) is None
    assert len(world.asked) == 2


@pytest.mark.parametrize(
    ("region", "where"), [("eu-west-1", "us-east-1"), ("", "us-east-1"), ("cn-north-1", "cn-northwest-1")]
)
def test_where_prices_are_asked(region, where):
    """Each partition has its own endpoint of the price list."""
    assert endpoint_region(region) == where
