"""On-demand and disk prices over real HTTP, against an endpoint with decoys."""

import json
from decimal import Decimal

import pytest

from spotbox.aws.pricing import address_price, disk_price, on_demand
from tests.aws.endpoint import endpoint
from tests.core.test_prices import disk, product

PRICES = {
    "g5.xlarge": "1.006",
    "g5.2xlarge": "1.212",
    "g6.xlarge": "0.8048",
    "p3.2xlarge": "3.06",
    "p5.4xlarge": "6.88",
    "trn1.2xlarge": "1.34",
}


def catalogue(*rows):
    """GetProducts as AWS answers it: every filter must match, 2 rows a page, an empty NextToken at the end."""

    def answer(asked):
        assert asked.target == "AWSPriceListService.GetProducts"
        wanted = {f["Field"]: f["Value"] for f in asked.json["Filters"]}
        found = [row for row in rows if wanted.items() <= json.loads(row)["product"]["attributes"].items()]
        start = int(asked.json.get("NextToken") or 0)
        token = str(start + 2) if start + 2 < len(found) else ""
        return 200, json.dumps({"FormatVersion": "aws_v1", "PriceList": found[start : start + 2], "NextToken": token})

    return answer


def everything():
    """Each type with a decoy before and after it; the families as AWS names them."""
    rows = []
    for name, usd in PRICES.items():
        family = "Machine Learning ASIC Instances" if name.startswith("trn") else "GPU instance"
        rows += [
            product(name, "9.0", instanceFamily=family, usagetype=f"Reservation:{name}", capacitystatus="Used"),
            product(name, usd, instanceFamily=family),
            product(name, "0.0000000000", instanceFamily=family),
            product(name, "0.1", instanceFamily=family, operatingSystem="SUSE"),
        ]
    return rows


def test_few_types_are_asked_one_by_one():
    """Up to four types take one call each, with the eight filters, and the one line among decoys is found."""
    with endpoint(catalogue(*everything())) as world:
        found = on_demand(world.aws("eu-west-1"), "us-east-1", ["g5.xlarge", "trn1.2xlarge", "g5.xlarge"])
    assert (dict(found.usd), found.remark) == (
        {"g5.xlarge": Decimal("1.006"), "trn1.2xlarge": Decimal("1.34")},
        "",
    )
    assert {len(asked.json["Filters"]) for asked in world.asked} == {8}
    assert all("/us-east-1/pricing/" in asked.authorization for asked in world.asked)


def test_many_types_are_listed_by_region():
    """Above four one listing answers for the GPU types; the few of another family are asked for by name."""
    with endpoint(catalogue(*everything())) as world:
        found = on_demand(world.aws(), "us-east-1", list(PRICES))
    assert found.usd == {name: Decimal(usd) for name, usd in PRICES.items()}
    fields = [{f["Field"] for f in asked.json["Filters"]} for asked in world.asked]
    assert sum("instanceType" in names for names in fields) == 2  # trn1.2xlarge, two pages of rows that pass
    assert all(len(names) == 8 for names in fields)


def test_marketoption_is_let_go_where_it_finds_nothing():
    """Where nothing carries `marketoption` the same is asked without it; Capacity Blocks are still no price."""
    rows = [
        product("p5.4xlarge", "5.0", marketoption="CapacityBlock"),
        json.dumps(json.loads(product("p5.4xlarge", "6.88"))).replace('"marketoption": "OnDemand", ', ""),
    ]
    with endpoint(catalogue(*rows)) as world:
        found = on_demand(world.aws(), "us-east-1", ["p5.4xlarge"])
    assert found.usd == {"p5.4xlarge": Decimal("6.88")}
    assert [len(asked.json["Filters"]) for asked in world.asked] == [8, 7]


def test_two_priced_lines_are_unknown():
    """Two lines that both could be the price leave it unknown."""
    with endpoint(catalogue(product(), product(usd="2.0"))) as world:
        assert on_demand(world.aws(), "us-east-1", ["g5.xlarge"]).usd == {}


@pytest.mark.parametrize("types", [["g5.xlarge"], list(PRICES)])
def test_denied_is_unknown_with_the_reason(types):
    """Without pricing:GetProducts nothing is known, the reason is told, and nothing is raised."""
    refusal = json.dumps({"__type": "AccessDeniedException", "Message": "no\x1b[2J"})
    with endpoint(lambda asked: (400, refusal)) as world:
        found = on_demand(world.aws(), "us-east-1", types)
        assert disk_price(world.aws(), "us-east-1") is None
    assert (dict(found.usd), found.remark) == ({}, "no permission for pricing:GetProducts in us-east-1")


def test_no_types_no_calls():
    """Nothing asked for is nothing asked of AWS."""
    with endpoint(catalogue()) as world:
        assert on_demand(world.aws(), "us-east-1", []).usd == {}
    assert world.asked == []


def test_disk_price():
    """The disk's price is the storage product of the volume type in the region."""
    rows = [json.dumps(row) for row in (disk(), disk("EBS:VolumeP-IOPS.gp3", "0.005", "IOPS-Mo"))]
    rows = [row.replace('"volumeApiName"', '"productFamily": "Storage", "volumeApiName"') for row in rows]
    with endpoint(catalogue(*rows)) as world:
        assert disk_price(world.aws(), "us-east-1") == Decimal("0.08")
        assert disk_price(world.aws(), "eu-west-1") is None


def address(usage="PublicIPv4:InUseAddress", usd="0.0050000000", region="us-east-1"):
    """A product of AmazonVPC, as the price list has them."""
    attributes = {"group": "VPCPublicIPv4Address", "regionCode": region, "usagetype": usage}
    price = {"unit": "Hrs", "pricePerUnit": {"USD": usd}}
    return json.dumps(
        {"product": {"attributes": attributes}, "terms": {"OnDemand": {"t": {"priceDimensions": {"d": price}}}}}
    )


@pytest.mark.parametrize(("region", "usd"), [("us-east-1", "0.005"), ("eu-west-1", "0.006"), ("sa-east-1", None)])
def test_address_price(region, usd):
    """A public IPv4 address in use, by the hour; not the one that is held and idle, and unknown where there is none."""
    rows = [
        address("PublicIPv4:IdleAddress", "0.9"),
        address(),
        address("EU-PublicIPv4:InUseAddress", "0.006", "eu-west-1"),
    ]
    with endpoint(catalogue(*rows)) as world:
        assert address_price(world.aws(), region) == (usd and Decimal(usd))
    assert {asked.json["ServiceCode"] for asked in world.asked} == {"AmazonVPC"}
