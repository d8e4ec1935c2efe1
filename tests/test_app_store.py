"""Which cache and which advisor's feed an App takes."""

import pytest

from spotbox import __version__
from spotbox.app import App
from spotbox.options import Common


def folder(tmp_path, sandbox=False, **env):
    return App(Common(sandbox=sandbox), {"SPOTBOX_HOME": str(tmp_path), **env}).store.folder


def test_real_aws_the_sandbox_and_other_endpoints_have_caches_of_their_own(tmp_path):
    """What the sandbox or another endpoint said is never read as AWS's, nor the other way round."""
    url = "http://127.0.0.1:4566"
    assert folder(tmp_path) == tmp_path / "cache" / "aws"
    assert folder(tmp_path, sandbox=True, AWS_ENDPOINT_URL=url) == tmp_path / "cache" / f"sandbox-{__version__}"
    one = folder(tmp_path, AWS_ENDPOINT_URL=url)
    assert one.name.startswith("endpoint-")
    assert one == folder(tmp_path, AWS_ENDPOINT_URL=url, AWS_PROFILE="x")
    others = [folder(tmp_path, AWS_ENDPOINT_URL_EC2=url), folder(tmp_path, AWS_ENDPOINT_URL=f"{url}1")]
    assert len({one, *others}) == 3
    assert folder(tmp_path, AWS_ENDPOINT_URL="").name == "aws"
    assert folder(tmp_path, AWS_ENDPOINT_URL=url, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true").name == "aws"


class Sandboxed(App):
    """An App whose sandbox runs without being started."""

    class endpoint:
        url = "http://127.0.0.1:5000"


@pytest.mark.parametrize(
    ("kind", "sandbox", "env", "url"),
    [
        (App, False, {}, ""),
        (App, False, {"SPOTBOX_ADVISOR_URL": "https://mirror/feed"}, "https://mirror/feed"),
        (Sandboxed, True, {}, "http://127.0.0.1:5000/spot-advisor-data.json"),
        (Sandboxed, True, {"SPOTBOX_ADVISOR_URL": "http://127.0.0.1:1/"}, "http://127.0.0.1:1/"),
    ],
)
def test_advisor_url(tmp_path, kind, sandbox, env, url):
    """The feed is AWS's own, the sandbox's in the sandbox, or where SPOTBOX_ADVISOR_URL says."""
    assert kind(Common(sandbox=sandbox), {"SPOTBOX_HOME": str(tmp_path), **env}).advisor_url == url
