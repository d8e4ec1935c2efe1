"""SageMaker's price list: GetProducts with the rows of training, and those of other uses of the same machines.

Attributes as the Pricing API has them for AmazonSageMaker: `instanceName` is the ml type, `instanceType` has the use
behind it, `component` names the use, and the usage types of us-east-1 carry a prefix, which EC2's do not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from spotbox.sandbox import regions
from spotbox.sandbox.mltypes import ML_TYPES, dearer, ec2_type
from spotbox.sandbox.products import Attributes, Query, product_row
from spotbox.sandbox.refusals import refusal

# component, what stands behind the type, start of the usage type, dearer than training by
_USES = (
    ("Training", "Training", "Train", "1"),
    ("Hosting", "Hosting", "Host", "1"),
    ("Processing", "Processing", "Processing", "1"),
    ("Notebook", "Notebook", "Notebk", "1"),
    ("Batch Transform", "Transform", "Tsform", "1"),
)
FAMILY = "ML Instance"


def ml_products(
    service: str, filters: Sequence[Mapping[str, str]], on_demand: Callable[[str, str], Decimal]
) -> Iterator[str]:
    """The rows that pass all filters, as JSON strings. Raises Refusal InvalidParameterException.

    `on_demand` gives EC2's Linux price of a type in a region, USD/h.
    """
    if service != "AmazonSageMaker":
        raise refusal("InvalidParameterException", f"The service code {service} is not known here.")
    query = Query(filters)
    for region in regions.ENABLED:
        if not query.may_take(regionCode=region, productFamily=FAMILY):
            continue
        for name in ML_TYPES:
            if not query.may_take(instanceName=name):
                continue
            price = (on_demand(ec2_type(name), region) * dearer(name)).quantize(Decimal("0.000001"))
            for row, more in _rows(name, region):
                if query.takes({**row, "productFamily": FAMILY}):
                    yield product_row(service, FAMILY, row, price * more, "Hrs")


def _rows(name: str, region: str) -> Iterator[tuple[Attributes, Decimal]]:
    location, prefix, _ = regions.ENABLED[region]
    hardware = ML_TYPES[name]
    common = {
        "servicecode": "AmazonSageMaker",
        "servicename": "Amazon SageMaker",
        "regionCode": region,
        "location": location,
        "locationType": "AWS Region",
        "instanceName": name,
        "computeType": "Accelerated Computing" if hardware.gpu else "Standard Instances",
        "vCpu": str(hardware.vcpus),
        "memory": f"{hardware.memory_gib} GiB",
        "gpu": str(hardware.gpu_count) if hardware.gpu else "N/A",
        "operation": "RunInstance",
    }
    for component, behind, usage, more in _USES:
        usagetype = f"{prefix or 'USE1-'}{usage}:{name}"
        yield (
            common | {"component": component, "instanceType": f"{name}-{behind}", "usagetype": usagetype},
            Decimal(more),
        )
