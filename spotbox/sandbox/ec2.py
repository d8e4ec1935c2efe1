"""The sandbox's EC2: moto's, with the sandbox's own calls before it, put in its place."""

from typing import Any

import moto.ec2.models as moto_models
import moto.ec2.urls
import moto.iam.urls
import moto.sts.urls
from moto.ec2.models import EC2Backend
from moto.ec2.responses import EC2Response

from spotbox.sandbox.ec2_account import Account
from spotbox.sandbox.ec2_catalog import Catalog
from spotbox.sandbox.ec2_images import ImageCalls
from spotbox.sandbox.ec2_prices import PriceCalls
from spotbox.sandbox.ec2_snapshots import SnapshotCalls
from spotbox.sandbox.ec2_spot import SpotCalls
from spotbox.sandbox.ec2_volumes import VolumeCalls
from spotbox.sandbox.identity import SandboxIam, SandboxSts
from spotbox.sandbox.world import ACCOUNT, World


class SandboxEC2(SpotCalls, PriceCalls, VolumeCalls, SnapshotCalls, ImageCalls, Catalog, Account, EC2Response):
    """Every EC2 call that the sandbox serves; what it does not define is moto's."""


class SandboxEC2Backend(EC2Backend):
    """moto's EC2 of one region, with a default key for encrypted volumes so that moto asks no KMS for one."""

    __module__ = "moto.ec2.models"  # moto derives the module of its URLs from it

    def __init__(self, region_name: str, account_id: str):
        super().__init__(region_name, account_id)
        self.default_kms_key_id = f"arn:aws:kms:{region_name}:{ACCOUNT}:key/00000000-0000-4000-8000-000000000000"

    def describe_images(self, *_: Any, **__: Any) -> list[Any]:
        """None: a new instance of moto's asks for its image here, but images are the sandbox's own (ebs.py)."""
        return []


def install(world: World) -> None:
    """Put the sandbox's EC2, IAM and STS in the place of moto's, before moto has served a call."""
    SandboxEC2.world = world
    SandboxSts.world = SandboxIam.world = world
    moto.ec2.urls.url_paths["{0}/"] = SandboxEC2.dispatch
    moto.iam.urls.url_paths["{0}/$"] = SandboxIam.dispatch
    moto.sts.urls.url_paths["{0}/$"] = SandboxSts.dispatch
    moto_models.ec2_backends.clear()
    moto_models.ec2_backends.backend = SandboxEC2Backend
    moto_models.SandboxEC2Backend = SandboxEC2Backend  # where pickle looks for it, by the module's name
