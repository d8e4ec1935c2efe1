"""botocore's session, set up for spotbox: sealed for the sandbox, or open to the user's settings, and quick to read."""

import os
from contextlib import suppress
from datetime import datetime
from typing import Any

from botocore.hooks import HierarchicalEmitter
from botocore.loaders import Loader
from botocore.session import Session
from botocore.utils import parse_timestamp

from spotbox.aws.answers import Parsers
from spotbox.aws.models import KeptFiles, PlainFiles
from spotbox.store import Store

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


class Events(HierarchicalEmitter):
    """botocore's events without those that write its documentation: each client copies all that is registered."""

    def register(self, event_name: str, *args: Any, **named: Any) -> None:
        """As botocore's, but for `docs.*`, which nobody emits here."""
        if not event_name.startswith("docs."):
            super().register(event_name, *args, **named)


def sealed_session(store: Store | None = None) -> Session:
    """A botocore session that reads no environment variable, no file of the user's, and no data but botocore's own.

    In `store` it keeps cuts of the models (see models.py); where there is none, it reads them whole each time.
    """
    names = Session.SESSION_VARIABLES
    sealed = {name: (None, None, default, cast) for name, (_, _, default, cast) in names.items()}
    sealed["config_file"] = (None, None, os.devnull, None)
    sealed["credentials_file"] = (None, None, os.devnull, None)
    # not ~/.aws/models, not AWS_DATA_PATH
    own = [Loader.BUILTIN_DATA_PATH]
    loader = QuickLoader(extra_search_paths=own, include_default_search_paths=False, file_loader=_files(store))
    events = Events()
    return _quick(Session(session_vars=sealed, event_hooks=events), loader, events)


def open_session(profile: str | None, store: Store | None = None) -> Session:
    """A botocore session that reads all that botocore reads, `store` as above.

    Raises botocore's ProfileNotFound, ConfigParseError.
    """
    events = Events()
    session = Session(profile=profile, event_hooks=events)
    own = session.get_config_variable("data_path")  # AWS_DATA_PATH, folders as PATH has them
    paths = [os.path.expanduser(os.path.expandvars(path)) for path in own.split(os.pathsep)] if own else []
    return _quick(session, QuickLoader(extra_search_paths=paths, file_loader=_files(store)), events)


def _files(store: Store | None) -> PlainFiles:
    return KeptFiles(store, {"ec2": EC2_OPERATIONS}) if store else PlainFiles()


def _quick(session: Session, loader: Loader, events: Events) -> Session:
    session.register_component("data_loader", loader)
    # Clients name events as they are today. The session goes on translating the old names of what is registered with
    # it; to look for one in every event of every client takes a thirtieth of the processor time of `up`.
    session.register_component("event_emitter", events)
    # The setting that botocore has for it: its own parser takes most of the time that thousands of price rows take.
    parsers = Parsers()
    parsers.set_parser_defaults(timestamp_parser=_time)
    session.register_component("response_parser_factory", parsers)
    return session


def _time(value: Any) -> Any:
    """A time in an answer: ISO 8601 in UTC, which it nearly always is; anything else is left to botocore's parser."""
    if isinstance(value, str) and value.endswith("Z"):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    return parse_timestamp(value)
