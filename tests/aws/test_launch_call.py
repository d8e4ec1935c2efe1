"""What RunInstances is sent: the parameters, the tags and the token."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from spotbox.aws.launch import launch_params
from spotbox.core.names import MAX_PRICE_TAG, ROLE_TAG, box_tags, client_token
from tests.aws.launching import DISKS, INTERFACES, LARGE, A, B
from tests.core.worlds import REGION, wish


def test_the_launch_call():
    """RunInstances: persistent and stop, IMDSv2, an encrypted root disk, a public address, nothing that expires."""
    params = launch_params(wish(), A, "sg-1", 0)
    tags = params.pop("TagSpecifications")
    assert params == {
        "ImageId": "ami-1",
        "InstanceType": "g5.xlarge",
        "MinCount": 1,
        "MaxCount": 1,
        "KeyName": "spotbox-alice-0123456789abcdef",
        "ClientToken": client_token("alice", "dev", REGION, "us-east-1a", "g5.xlarge", "spot", 0),
        "InstanceMarketOptions": {
            "MarketType": "spot",
            "SpotOptions": {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"},
        },
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpEndpoint": "enabled",
            "HttpPutResponseHopLimit": 2,
            "InstanceMetadataTags": "enabled",
        },
        "BlockDeviceMappings": DISKS,
        "NetworkInterfaces": INTERFACES,
        "InstanceInitiatedShutdownBehavior": "stop",
    }
    everywhere = box_tags("dev", "alice", {"team": "vision", "spotbox:user": "ubuntu"})
    found = {spec["ResourceType"]: {t["Key"]: t["Value"] for t in spec["Tags"]} for spec in tags}
    assert found == {
        "instance": everywhere,
        "spot-instances-request": everywhere,
        "network-interface": everywhere,
        "volume": {**everywhere, ROLE_TAG: "root"},
    }


def test_a_cap_is_sent_and_tagged_only_where_one_was_asked():
    """MaxPrice as plain digits, and the same text as a tag, by which the box remembers it."""
    params = launch_params(wish(bids={(REGION, "g5.xlarge"): Decimal("5E-1")}), A, "sg-1", 0)
    assert params["InstanceMarketOptions"]["SpotOptions"]["MaxPrice"] == "0.5"
    for spec in params["TagSpecifications"]:
        assert {"Key": MAX_PRICE_TAG, "Value": "0.5"} in spec["Tags"]


def test_user_data_and_profile_where_given():
    """UserData goes as bytes (botocore encodes it), the profile by name; both are left out where there is none."""
    params = launch_params(wish(user_data=b"#!/bin/sh\n", profile="gpu"), A, "sg-1", 0)
    assert params["UserData"] == b"#!/bin/sh\n"
    assert params["IamInstanceProfile"] == {"Name": "gpu"}
    assert not {"UserData", "IamInstanceProfile"} & set(launch_params(wish(), A, "sg-1", 0))


def test_the_parameters_are_the_same_bytes_in_every_run():
    """A ClientToken holds for identical parameters only: neither the hash seed nor the order of tags shows."""
    script = (
        "import json; from tests.core.worlds import *; from spotbox.aws.launch import launch_params\n"
        "tags = {k: k for k in {'b', 'a', 'c', 'd'}}\n"
        "print(json.dumps(launch_params(wish(tags=tags), offer(), 'sg-1', 2)))"
    )
    root = Path(__file__).parents[2]
    runs = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=root, env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "7")
    }  # fmt: skip
    assert len(runs) == 1
    one, other = ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    assert json.dumps(launch_params(wish(tags=one), A, "sg-1", 0)) == json.dumps(
        launch_params(wish(tags=other), A, "sg-1", 0)
    )


def test_the_token_tells_pool_and_generation():
    """Another zone, type or generation is another launch."""
    two = wish([A, B, LARGE])
    tokens = {launch_params(two, pool, "sg-1", n)["ClientToken"] for pool in (A, B, LARGE) for n in (0, 1)}
    assert len(tokens) == 6


def test_the_launch_on_demand():
    """The same call without InstanceMarketOptions, without a cap, under a token of its own, no request to tag."""
    want = wish(bids={(REGION, "g5.xlarge"): Decimal("0.5")})
    spot, plain = launch_params(want, A, "sg-1", 0), launch_params(want, A, "sg-1", 0, "on-demand")
    assert spot["ClientToken"] != plain["ClientToken"]
    assert {spec["ResourceType"] for spec in plain["TagSpecifications"]} == {"instance", "volume", "network-interface"}
    assert MAX_PRICE_TAG not in json.dumps(plain)
    differ = ("InstanceMarketOptions", "ClientToken", "TagSpecifications")
    assert {k: v for k, v in spot.items() if k not in differ} == {k: v for k, v in plain.items() if k not in differ}
    assert "InstanceMarketOptions" not in plain
