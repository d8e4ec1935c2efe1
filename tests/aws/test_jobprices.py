"""What a training instance costs and how many there may be, against an endpoint with decoys."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from spotbox.aws.jobprices import job_price, job_quota
from spotbox.core.jobprices import training_price
from spotbox.store import Store
from tests.aws.endpoint import endpoint

R, G5 = "us-east-1", "ml.g5.xlarge"
NAME = "ml.g5.xlarge for spot training job usage"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, lambda: datetime(2026, 11, 22, tzinfo=UTC))


def product(usage, usd, unit="Hrs", **more):
    attributes = {"usagetype": usage, "regionCode": R, **more}
    price = {"unit": unit, "pricePerUnit": {"USD": usd}}
    return json.dumps(
        {"product": {"attributes": attributes}, "terms": {"OnDemand": {"t": {"priceDimensions": {"d": price}}}}}
    )


DECOYS = [
    product("USE1-Host:ml.g5.xlarge", "9.0", instanceName=G5),
    product("USE1-TrainWarmPool:ml.g5.xlarge", "8.0", instanceName=G5),
    product("USE1-Processing:ml.g5.xlarge", "7.0", instanceName=G5),
    product("USE1-Train:ml.g5.xlarge", "0.0000000000", instanceName=G5),
    product("USE1-Train:ml.g5.xlarge", "0.14", unit="GB-Mo", instanceName=G5),
    product("EUW1-Train:ml.g5.xlarge", "2.0", instanceName=G5, regionCode="eu-west-1"),
    "{broken",
]
ROW = product("USE1-Train:ml.g5.xlarge", "1.4080000000", instanceName=G5)


def test_the_one_training_line_is_found():
    """By its usage type; hosting, processing, warm pools, volumes, free tiers and other regions are none."""
    assert training_price([*DECOYS, ROW, ROW], G5, R) == Decimal("1.408")
    assert training_price([product("Train:ml.g5.xlarge", "1.4")], G5, R) == Decimal("1.4")
    assert training_price(DECOYS, G5, R) is None
    assert training_price([ROW, product("USE1-Train:ml.g5.xlarge", "1.5")], G5, R) is None


def price_list(rows, field="instanceName"):
    def answer(asked):
        assert asked.target == "AWSPriceListService.GetProducts"
        assert asked.json["ServiceCode"] == "AmazonSageMaker"
        found = rows if any(one["Field"] == field for one in asked.json["Filters"]) else []
        return 200, json.dumps({"FormatVersion": "aws_v1", "PriceList": found})

    return answer


@pytest.mark.parametrize(("field", "calls"), [("instanceName", 1), ("usagetype", 2)])
def test_the_price_is_asked_once_and_kept(store, field, calls):
    """By the instance's name, and where that field finds nothing by the usage type; the next run asks nothing."""
    with endpoint(price_list([*DECOYS, ROW], field)) as world:
        assert job_price(world.aws("eu-west-1"), R, G5, store) == Decimal("1.408")
        assert len(world.asked) == calls
        assert job_price(world.aws(), R, G5, store) == Decimal("1.408")
        assert len(world.asked) == calls


def test_an_unknown_price_is_kept_and_a_refusal_is_not(store):
    """That AWS tells none is kept for a day; where it refused the next run asks again."""
    with endpoint(lambda asked: (400, '{"__type":"AccessDeniedException"}')) as world:
        assert job_price(world.aws(), R, G5, store) is None
    with endpoint(price_list([])) as world:
        assert job_price(world.aws(), R, G5, store) is None
        assert job_price(world.aws(), R, G5, store) is None
        assert len(world.asked) == 2


class Quotas:
    """Service Quotas: lists by pages; `applied` and `default` by code."""

    def __init__(self, applied, default):
        self.applied, self.default = applied, default

    def __call__(self, asked):
        wanted = asked.json
        assert wanted["ServiceCode"] == "sagemaker"
        known = self.default if "Default" in asked.action else self.applied
        rows = [{"QuotaCode": c, "QuotaName": n, "Value": v} for c, (n, v) in known.items()]
        if asked.action.startswith("List"):
            start = int(wanted.get("NextToken") or 0)
            more = {"NextToken": str(start + 1)} if start + 1 < len(rows) else {}
            return 200, json.dumps({"Quotas": rows[start : start + 1], **more})
        row = next((row for row in rows if row["QuotaCode"] == wanted["QuotaCode"]), None)
        if row is None:
            return 400, json.dumps({"__type": "NoSuchResourceException", "message": "none"})
        return 200, json.dumps({"Quota": row})


OTHERS = {"L-1": ("ml.g5.xlarge for training job usage", 9.0), "L-2": ("ml.g5.xlarge for endpoint usage", 9.0)}


def test_a_quota_is_found_by_its_name_and_then_by_its_code(store):
    """The list has thousands: it is read once, over its pages; the default counts where nothing is applied."""
    quotas = Quotas({**OTHERS, "L-3": (NAME, 2.0)}, {})
    with endpoint(quotas) as world:
        found = job_quota(world.aws(), R, G5, True, store)
        assert (found.value, found.name, found.code, found.remark) == (Decimal(2), NAME, "L-3", "")
        assert [asked.action for asked in world.asked] == ["ListServiceQuotas"] * 3
        quotas.applied["L-3"] = (NAME, 4.0)
        assert job_quota(world.aws(), R, G5, True, store).value == 4
        assert [asked.action for asked in world.asked[3:]] == ["GetServiceQuota"]
        quotas.applied, quotas.default = OTHERS, {"L-3": (NAME, 0.0)}
        assert job_quota(world.aws(), R, G5, True, store).value == 0
    with endpoint(quotas) as world:
        assert job_quota(world.aws(), R, G5, True).value == 0  # nothing kept
        assert world.asked[-1].action == "ListAWSDefaultServiceQuotas"


def test_a_quota_on_demand_is_another():
    """Spot and on-demand training are counted apart."""
    with endpoint(Quotas(OTHERS, {})) as world:
        assert job_quota(world.aws(), R, G5, False).value == 9


def test_a_quota_that_cannot_be_read_is_unknown():
    """Neither listed nor allowed to be read: None, with the reason, and no error."""
    with endpoint(Quotas(OTHERS, {})) as world:
        found = job_quota(world.aws(), R, G5, True)
    assert (found.value, found.code, found.name) == (None, None, NAME)
    assert NAME in found.remark
    with endpoint(lambda asked: (400, '{"__type":"AccessDeniedException"}')) as world:
        assert "servicequotas:ListServiceQuotas" in job_quota(world.aws(), R, G5, True).remark


def test_a_kept_code_that_is_anothers_now_is_looked_up_again(store):
    """What is kept is held against the name."""
    store.update("job-quota-codes", lambda data: {NAME: "L-1"})
    with endpoint(Quotas({**OTHERS, "L-3": (NAME, 2.0)}, {})) as world:
        assert job_quota(world.aws(), R, G5, True, store).code == "L-3"
