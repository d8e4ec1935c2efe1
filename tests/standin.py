"""The benchmark's stand-in for AWS, as tests use it: a process of its own, without its delay unless one is given."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


@contextmanager
def stand_in(*flags: str, delay: float = 0) -> Iterator[str]:
    """Start it; gives its address."""
    command = [sys.executable, str(ROOT / "benchmarks" / "standin.py"), "--delay", str(delay), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def asked(url: str, what: str = "counts") -> dict:
    """What it counted; "reset" begins anew."""
    with urllib.request.urlopen(f"{url}/{what}") as answer:  # noqa: S310 - our own loopback address
        return json.load(answer)


def env_of(url: str, home: Path) -> dict[str, str]:
    """An environment in which that is AWS, and `home` all that spotbox knows from before."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "SPOTBOX_HOME": str(home / "spot box"),
        "SPOTBOX_ADVISOR_URL": f"{url}/spot-advisor-data.json",
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIDTEST",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
