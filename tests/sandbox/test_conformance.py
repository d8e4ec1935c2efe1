"""Does the sandbox behave as AWS does? The same questions that could be put to a real account."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spotbox.sandbox import process

SCRIPT = Path(__file__).parents[3] / "shared" / "conformance.py"


@pytest.mark.skipif(not SCRIPT.exists(), reason="the conformance script is not beside this checkout")
def test_every_fact_holds(aws):
    """Plain boto3 finds every fact about EC2 Spot to hold."""
    run = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env=os.environ | process.environment(aws.endpoint),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    failed = [line for line in run.stdout.splitlines() if line.startswith("FAIL")]
    assert (failed, run.returncode) == ([], 0), run.stderr[-2000:]
    assert "all facts hold" in run.stdout
