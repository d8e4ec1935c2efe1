"""What the sandbox hooks into: a new moto that moves one of these names fails here first, and by name."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HOOKED = {
    "moto": ["__version__"],
    "moto.backends": ["get_backend"],
    "moto.core.exceptions": ["ServiceException"],
    "moto.core.responses": ["ActionResult", "EmptyResult", "BaseResponse.call_action", "BaseResponse.serialized"],
    "moto.core.utils": ["get_service_model"],
    "moto.ec2.models": ["EC2Backend", "EC2Backend.zones", "ec2_backends"],
    "moto.ec2.models.instance_types": ["INSTANCE_TYPES", "INSTANCE_TYPE_OFFERINGS"],
    "moto.ec2.models.elastic_block_store": ["Volume.status", "VolumeAttachment"],
    "moto.ec2.models.instances": ["Instance", "InstanceState", "Reservation", "StateReason"],
    "moto.ec2.responses": ["EC2Response.dispatch"],
    "moto.ec2.responses._base_response": ["EC2BaseResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER"],
    "moto.ec2.urls": ["url_paths"],
    "moto.ec2.utils": ["random_reservation_id"],
    "moto.iam.models": ["iam_backends"],
    "moto.iam.responses": ["IamResponse.create_service_linked_role"],
    "moto.iam.urls": ["url_paths"],
    "moto.moto_server.werkzeug_app": ["DomainDispatcherApplication", "MotoRequestHandler", "create_backend_app"],
    "moto.sts.responses": ["TokenResponse.get_caller_identity"],
    "moto.sts.urls": ["url_paths"],
    "moto.utilities.utils": ["load_resource"],
    "botocore.loaders": ["JSONFileLoader.load_file", "Loader.FILE_LOADER_CLASS"],
}
BACKEND = [
    "amis",
    "associate_iam_instance_profile",
    "attach_volume",
    "create_tags",
    "create_volume",
    "default_kms_key_id",
    "delete_volume",
    "deleted_amis",
    "describe_availability_zones",
    "describe_images",
    "detach_volume",
    "enis",
    "get_default_security_group",
    "get_default_subnets",
    "get_security_group_from_id",
    "get_subnet",
    "groups",
    "iam_instance_profile_associations",
    "key_pairs",
    "reservations",
    "snapshots",
    "subnets",
    "tags",
    "volumes",
    "vpcs",
]


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in HOOKED.items() for name in names])
def test_the_name_is_there(module, name):
    """Each module, class and attribute of moto and botocore that the sandbox takes hold of exists."""
    found = importlib.import_module(module)
    for part in name.split("."):
        assert hasattr(found, part), f"{module} has no {name}"
        found = getattr(found, part)


def test_motos_url_patterns_are_those_replaced():
    """EC2, IAM and STS each have the one pattern that the sandbox puts its own response behind."""
    import moto.ec2.urls
    import moto.iam.urls
    import moto.sts.urls

    assert set(moto.ec2.urls.url_paths) == {"{0}/"}
    assert set(moto.iam.urls.url_paths) == set(moto.sts.urls.url_paths) == {"{0}/$"}


def test_motos_ec2_keeps_what_the_sandbox_reads():
    """A fresh EC2 of moto has the collections that the sandbox looks into."""
    from moto.ec2.models import EC2Backend

    backend = EC2Backend("us-east-1", "123456789012")
    assert [name for name in BACKEND if not hasattr(backend, name)] == []


def test_a_lean_moto_leaves_out_what_it_should():
    """The trimmed import loads zone offerings and instance types, and none of the old images."""
    code = (
        "from spotbox.sandbox import lean; lean.load_moto();"
        "from moto.ec2.models.instance_types import INSTANCE_TYPES as t, INSTANCE_TYPE_OFFERINGS as o;"
        "from moto.ec2.models.amis import AMIS;"
        "zones, regions = o['availability-zone']['us-east-1'], o['region']['us-east-1'];"
        "print(len(t) > 1000, len(zones) > 1000, len(regions), len(AMIS))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "True", "0", "0"]
