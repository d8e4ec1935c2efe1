"""botocore's session, set up for spotbox: sealed for the sandbox, or open to the user's settings, and quick to read."""

import gzip
import json
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader
from botocore.session import Session
from botocore.utils import parse_timestamp

# What spotbox calls of EC2; a test holds the list against the calls.
EC2_OPERATIONS = frozenset(
    """
    AttachVolume AuthorizeSecurityGroupIngress CancelSpotInstanceRequests CopyImage CreateImage
    CreateSecurityGroup CreateSnapshot CreateTags CreateVolume DeleteKeyPair DeleteSecurityGroup DeleteSnapshot
    DeleteTags DeleteVolume DeregisterImage DescribeAvailabilityZones DescribeImages DescribeInstanceAttribute
    DescribeInstanceTypeOfferings DescribeInstanceTypes DescribeInstances DescribeKeyPairs DescribeRegions
    DescribeSecurityGroups DescribeSnapshots DescribeSpotInstanceRequests DescribeSpotPriceHistory
    DescribeSubnets DescribeVolumes GetConsoleOutput GetEbsDefaultKmsKeyId GetSpotPlacementScores ImportKeyPair
    ModifyInstanceMetadataOptions ModifyVolume RequestSpotInstances RevokeSecurityGroupIngress RunInstances
    StartInstances StopInstances TerminateInstances
    """.split()  # noqa: SIM905 - quoted one by one they would be the same, longer
)


class PlainFiles(JSONFileLoader):
    """Reads models into plain dicts, which keep their order too; EC2's four megabytes take half as long."""

    def load_file(self, file_path: str) -> Any:
        """What the file holds, packed or not; None where there is none."""
        for ending, unpacked in ((".json", bytes), (".json.gz", gzip.decompress)):
            with suppress(FileNotFoundError):
                return json.loads(unpacked(Path(file_path + ending).read_bytes()))
        return None


class QuickLoader(Loader):
    """botocore's loader of service models, quicker: it finds services by their folders, and cuts EC2's to our calls.

    botocore itself looks into each of four hundred folders, once for each kind of file that it reads of one service;
    and it writes a method for each of EC2's eight hundred operations, for every region's client anew.
    """

    FILE_LOADER_CLASS = PlainFiles

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """A service's model; of EC2's operations those that spotbox calls."""
        model = super().load_service_model(service_name, type_name, api_version)
        if (service_name, type_name) != ("ec2", "service-2"):
            return model
        kept = {name: one for name, one in model["operations"].items() if name in EC2_OPERATIONS}
        return {**model, "operations": kept}

    def list_available_services(self, type_name: str) -> list[str]:
        """The services that there is a folder of; whether it holds a `type_name` is seen when that is read."""
        names: set[str] = set()
        for path in self.search_paths:
            with suppress(OSError):
                names.update(os.listdir(path))
        return sorted(names)


def sealed_session() -> Session:
    """A botocore session that reads no environment variable, no file of the user's, and no data but botocore's own."""
    names = Session.SESSION_VARIABLES
    sealed = {name: (None, None, default, cast) for name, (_, _, default, cast) in names.items()}
    sealed["config_file"] = (None, None, os.devnull, None)
    sealed["credentials_file"] = (None, None, os.devnull, None)
    # not ~/.aws/models, not AWS_DATA_PATH
    loader = QuickLoader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return _quick(Session(session_vars=sealed), loader)


def open_session(profile: str | None) -> Session:
    """A botocore session that reads all that botocore reads. Raises botocore's ProfileNotFound, ConfigParseError."""
    session = Session(profile=profile)
    own = session.get_config_variable("data_path")  # AWS_DATA_PATH, folders as PATH has them
    paths = [os.path.expanduser(os.path.expandvars(path)) for path in own.split(os.pathsep)] if own else []
    return _quick(session, QuickLoader(extra_search_paths=paths))


def _quick(session: Session, loader: Loader) -> Session:
    session.register_component("data_loader", loader)
    # The setting that botocore has for it: its own parser takes most of the time that thousands of price rows take.
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)
    return session


def _time(value: Any) -> Any:
    """A time in an answer: ISO 8601 in UTC, which it nearly always is; anything else is left to botocore's parser."""
    if isinstance(value, str) and value.endswith("Z"):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    return parse_timestamp(value)
