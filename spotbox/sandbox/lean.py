"""Loading moto without what the sandbox never uses: a third of the time from start to ready.

moto reads botocore's list of endpoints three times, 1301 old images and the offerings of every kind of place when it is
imported. What is left out is not missed: images and offerings are the sandbox's own.
"""

import gc
import os
from typing import Any, ClassVar

import botocore.loaders

UNUSED = ("ec2/resources/amis.json",)
OFFERINGS = os.path.join("ec2", "resources/instance_type_offerings", "")
USED_OFFERINGS = os.path.join(OFFERINGS, "availability-zone", "")


class EndpointsOnce(botocore.loaders.JSONFileLoader):
    """botocore's reader of its data files; the endpoints, which nothing changes, are read once for all sessions."""

    known: ClassVar[dict[str, Any]] = {}

    def load_file(self, file_path: str) -> Any:
        if not file_path.endswith("endpoints"):
            return super().load_file(file_path)
        if file_path not in self.known:
            self.known[file_path] = super().load_file(file_path)
        return self.known[file_path]


def load_moto() -> None:
    """Import moto's EC2. To be called first, before anything else of moto is imported."""
    botocore.loaders.Loader.FILE_LOADER_CLASS = EndpointsOnce
    gc.disable()  # much is made at import and nothing is thrown away
    import moto.utilities.utils as utilities

    whole = utilities.load_resource

    def load_resource(filename: str) -> Any:
        unused = filename.startswith(OFFERINGS) and not filename.startswith(USED_OFFERINGS)
        return [] if unused or filename in UNUSED else whole(filename)

    utilities.load_resource = load_resource
    try:
        import moto.ec2.models
        import moto.ec2.responses  # noqa: F401
    finally:
        utilities.load_resource = whole
        gc.freeze()
        gc.enable()
