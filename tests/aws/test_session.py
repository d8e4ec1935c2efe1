"""One session: sealed in the sandbox, as boto3 outside of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spotbox.aws.session import Aws
from tests.aws.endpoint import KEYS, ec2_error, endpoint

ROOT = Path(__file__).parents[2]
REGIONS = "<R><regionInfo><item><regionName>us-east-1</regionName></item></regionInfo></R>"
POISON = {
    "AWS_PROFILE": "nosuch",
    "AWS_DEFAULT_PROFILE": "nosuch",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL": "http://192.0.2.1",
    "AWS_ENDPOINT_URL_EC2": "http://192.0.2.1",
    "AWS_CA_BUNDLE": "/nonexistent",
    "REQUESTS_CA_BUNDLE": "/nonexistent",
    "HTTP_PROXY": "http://192.0.2.1:1",
    "http_proxy": "http://192.0.2.1:1",
    "ALL_PROXY": "http://192.0.2.1:1",
    "AWS_MAX_ATTEMPTS": "many",
    "AWS_RETRY_MODE": "bogus",
    "AWS_DEFAULTS_MODE": "bogus",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_STS_REGIONAL_ENDPOINTS": "bogus",
    "AWS_REGION": "no region",
    "AWS_DEFAULT_REGION": "no region",
    "AWS_DATA_PATH": "/nonexistent",
    "AWS_CONFIG_FILE": "/nonexistent/config",
}


def run(code, home, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def poisoned_home(tmp_path):
    """A home whose ~/.aws is broken and whose models would replace EC2's."""
    (tmp_path / ".aws" / "models" / "ec2" / "2016-11-15").mkdir(parents=True)
    (tmp_path / ".aws" / "config").write_text("[default\nbroken")
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id = AKIAREAL\n")
    (tmp_path / ".aws" / "models" / "ec2" / "2016-11-15" / "service-2.json").write_text("{}")
    return tmp_path


def test_the_sandbox_reads_nothing_of_the_users(poisoned_home):
    """With endpoint and keys neither environment, proxy nor ~/.aws plays a part: the call arrives, with those keys."""
    with endpoint(lambda asked: (200, REGIONS)) as world:
        code = (
            "from spotbox.aws.session import Aws\n"
            f"aws = Aws(region='eu-west-1', endpoint={world.url!r}, keys={KEYS!r}, agent='spotbox/test')\n"
            "print(aws.region, aws.client('ec2').describe_regions()['Regions'][0]['RegionName'])\n"
            "print(aws.client('ec2').meta.config.retries)\n"
        )
        done = run(code, poisoned_home, **POISON)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "eu-west-1 us-east-1"
    assert "'mode': 'standard'" in done.stdout
    (asked,) = world.asked
    assert f"Credential={KEYS[0]}/" in asked.authorization
    assert "/eu-west-1/ec2/" in asked.authorization
    assert "spotbox/test" in asked.agent


def test_outside_the_sandbox_the_environment_counts(tmp_path):
    """Without endpoint and keys, credentials, region and AWS_ENDPOINT_URL_EC2 come from where boto3 reads them."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile work]\nregion = ap-south-1\n")
    (tmp_path / ".aws" / "credentials").write_text(
        "[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = secret\n"
    )
    with endpoint(lambda asked: (200, REGIONS)) as world:
        code = "from spotbox.aws.session import Aws\na = Aws()\nprint(a.region)\na.client('ec2').describe_regions()"
        first = run(code, tmp_path, AWS_PROFILE="work", AWS_ENDPOINT_URL_EC2=world.url)
        second = run(code, tmp_path, AWS_PROFILE="work", AWS_ENDPOINT_URL=world.url, AWS_REGION="eu-west-1")
    assert (first.stdout, second.stdout) == ("ap-south-1\n", "eu-west-1\n"), first.stderr + second.stderr
    assert ["Credential=AKIDWORK/" in asked.authorization for asked in world.asked] == [True, True]


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"AWS_PROFILE": "nosuch"}, "5 The config profile (nosuch) could not be found"),
        (
            {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "x"},
            "2 the AWS settings cannot be used: Invalid endpoint: x",
        ),
        ({"AWS_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "many"}, "2 the AWS settings cannot be used"),
        ({"AWS_REGION": "no region"}, "2 Provided region_name 'no region' doesn't match a supported format"),
        ({}, "2 no region"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path, environment, told):
    """What botocore cannot make a client from is told with its exit code."""
    code = (
        "from spotbox.aws.session import Aws\nfrom spotbox.core.errors import SpotboxError\n"
        "try:\n    Aws().client('ec2')\nexcept SpotboxError as e:\n    print(int(e.exit_code), e.message)"
    )
    assert run(code, tmp_path, **environment).stdout.startswith(told)


def test_importing_it_loads_no_boto3():
    """Neither boto3 nor botocore is loaded before the first client."""
    code = (
        "import sys, spotbox.aws.session, spotbox.aws.errors, spotbox.aws.images, spotbox.aws.types,"
        " spotbox.aws.prices, spotbox.aws.pricing, spotbox.aws.network, spotbox.aws.quotas, spotbox.aws.identity\n"
        "print([m for m in ('boto3', 'botocore') if m in sys.modules])"
    )
    assert run(code, ROOT).stdout == "[]\n"


def test_clients_are_made_once():
    """A client is the same for the same service, region and number of tries, and another for any other."""
    aws = Aws(region="us-east-1", endpoint="http://127.0.0.1:9", keys=KEYS)
    assert aws.client("ec2") is aws.client("ec2", "us-east-1")
    assert aws.client("ec2") is not aws.client("ec2", "eu-west-1")
    assert aws.client("ec2") is not aws.client("ec2", once=True)
    config = aws.client("ec2").meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (5, 20, 32)
    with pytest.raises(ValueError, match="together"):
        Aws(endpoint="http://127.0.0.1:9")


def test_once_sends_once():
    """A refusal for capacity, HTTP 500, is repeated by botocore unless the client sends once."""
    refusal = ec2_error("InsufficientInstanceCapacity", "no", 500)
    with endpoint(lambda asked: refusal) as world:
        with pytest.raises(Exception, match="InsufficientInstanceCapacity"):
            world.aws().client("ec2", once=True).describe_regions()
        assert len(world.asked) == 1
