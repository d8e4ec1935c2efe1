"""Who is let in, and failures on order."""

import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ConnectionClosedError, HTTPClientError

from spotbox.core.errors import Exit, SpotboxError, UsageError
from spotbox.sandbox import peer, process

from .conftest import code_of, until


def get(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as reply:  # noqa: S310
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": ""}],
    ids=str,
)
def test_a_web_page_is_not_let_in(aws, headers):
    """Another Host (DNS rebinding), an Origin or a browser's fetch headers are refused, with no CORS leave."""
    status, _ = get(aws.endpoint.url + "/?Action=DescribeRegions&Version=2016-11-15", **headers)
    assert status == 403


TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1234        0 5 1 0 20 4 30 10 -1
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 6 1 0 20 4 30 10 -1
"""


def test_the_user_at_the_other_end(tmp_path):
    """The owner of the client's end of a connection is read from the kernel's table; unknown is None."""
    (tmp_path / "tcp").write_text(TABLE)
    assert peer.user_of(40000, 8080, tmp_path / "tcp") == 1234
    assert peer.user_of(40001, 8080, tmp_path / "tcp") is None
    assert peer.user_of(40000, 8080, tmp_path / "missing") is None


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="only root can be another user")
def test_another_user_is_not_let_in(aws):
    """A program of another user of this machine gets 403, so it can launch no box and get no shell."""
    code = (
        "import os, socket, sys; os.setuid(65534)\n"
        "line = socket.socket(); line.connect(('127.0.0.1', int(sys.argv[1])))\n"
        "line.sendall(b'GET /_sandbox/checkip HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n')\n"
        "print(line.recv(100).split()[1].decode())"
    )
    port = aws.endpoint.url.rsplit(":", 1)[1]
    run = subprocess.run([sys.executable, "-c", code, port], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "403"


@pytest.mark.parametrize("nonce", ["", "0" * 32])
def test_control_needs_the_secret(aws, nonce):
    """Without the secret of the state file no control verb is carried out."""
    status, _ = get(aws.endpoint.url + "/_sandbox/status", **{"X-Sandbox-Nonce": nonce})
    assert status == 403


@pytest.mark.parametrize("path", ["/moto-api/data.json", "/moto-api/reset", "/latest/meta-data/"])
def test_motos_own_doors_are_shut(aws, path):
    """moto's dashboard and its metadata are not served."""
    assert get(aws.endpoint.url + path)[0] == 404


def test_checkip(aws):
    """A caller learns the address it comes from without a secret."""
    assert get(aws.endpoint.url + "/_sandbox/checkip") == (200, "127.0.0.1\n")


@pytest.mark.parametrize(
    ("code", "http"),
    [
        ("UnauthorizedOperation", 403),
        ("RequestExpired", 400),
        ("RequestLimitExceeded", 503),
        ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", 403),
        ("AuthFailure", 401),
    ],
)
def test_a_fault_has_awss_code_and_status(aws, code, http):
    """The next call that matches fails so, the one after it does not."""
    aws.control("fault", service="ec2", action="DescribeVpcs", code=code)
    aws.ec2.describe_subnets()
    assert code_of(aws.ec2.describe_vpcs) == (code, http)
    aws.ec2.describe_vpcs()


def test_faults_of_every_protocol(aws):
    """Each service's client reads the error as its own."""
    for service, call, asked in (
        ("sts", "get_caller_identity", {}),
        ("iam", "list_roles", {}),
        ("ssm", "get_parameter", {"Name": "/x"}),
        ("pricing", "get_products", {"ServiceCode": "AmazonEC2"}),
        ("service-quotas", "list_service_quotas", {"ServiceCode": "ec2"}),
        ("s3", "list_buckets", {}),
    ):
        signing = {"service-quotas": "servicequotas"}.get(service, service)
        aws.control("fault", service=signing, code="ExpiredToken")
        assert code_of(getattr(aws.client(service), call), **asked) == ("ExpiredToken", 403)


def test_a_reset_leaves_the_outcome_unknown(aws):
    """The call is carried out, and its reply never comes."""
    aws.control("fault", service="ec2", action="RunInstances", code="reset")
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        aws.launch()
    assert len(aws.control("status")["boxes"]) == 1


def test_a_doom_ends_the_next_launch(aws):
    """`doom` plays a launch that AWS accepts and cannot carry out."""
    aws.control("doom", code="Client.InvalidSnapshot.NotFound")
    made = aws.launch(InstanceMarketOptions=None)
    assert until(lambda: aws.state(made["InstanceId"]) == "terminated")
    assert aws.instance(made["InstanceId"])["StateReason"]["Code"] == "Client.InvalidSnapshot.NotFound"


@pytest.mark.parametrize(
    ("verb", "args", "said"),
    [
        ("capacity", {"type": "g5.xlarg", "zone": "us-east-1a", "state": "open"}, "did you mean g5.xlarge?"),
        ("capacity", {"type": "g5.xlarge", "zone": "us-east-1e", "state": "open"}, "did you mean us-east-1"),
        ("capacity", {"type": "g5.xlarge", "zone": "us-east-1a", "state": "shut"}, "open or closed"),
        ("price", {"type": "g5.xlarge", "zone": "us-east-1a", "usd": "2"}, "at or below on-demand, 1.006"),
        ("price", {"type": "g5.xlarge", "zone": "us-east-1a", "usd": "x"}, "no price"),
        ("price", {"type": "g5.xlarge", "zone": "us-east-1a", "usd": "nan"}, "on-demand"),
        ("interrup", {"box": "dev"}, "did you mean interrupt?"),
        ("quota", {"code": "L-1", "value": 3}, "unknown quota"),
        ("interrupt", {}, "interrupt"),
    ],
    ids=str,
)
def test_control_refuses_with_the_nearest_right_word(aws, verb, args, said):
    """A wrong name is told with the right one."""
    with pytest.raises(UsageError) as refused:
        aws.control(verb, **args)
    assert said in refused.value.message


def test_a_box_that_is_not_there_is_exit_7(aws):
    """As of every command; nothing is interrupted."""
    with pytest.raises(SpotboxError) as refused:
        aws.control("interrupt", box="nobody")
    assert (refused.value.exit_code, refused.value.message[:28]) == (Exit.NO_SUCH_BOX, "no box nobody in the sandbox")


def test_an_unknown_action_is_told_as_aws_would(aws):
    """What the sandbox does not serve is a client error with a sentence, never a traceback."""
    code, http = code_of(aws.ec2.describe_instance_connect_endpoints)
    assert (code, http) == ("InvalidAction", 400)


def test_another_sandboxs_secret_is_an_error(aws):
    """A call with the wrong secret does not pass for an answer."""
    stranger = process.Endpoint(aws.endpoint.url, aws.endpoint.pid, nonce="wrong")
    with pytest.raises(SpotboxError, match="does not answer"):
        process.call(stranger, "status")
