"""Start-up, side by side in one run: `spotbox --help` against `aws --version`.

    python benchmarks/startup.py [ROUNDS]

Runs the two in turn and prints the median of each and of the ratio, pair by pair. The bound is 0.35. Needs the AWS
CLI on PATH (`pip install awscli` will do) and spotbox beside the Python that runs this.
"""

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

BOUND = 0.35


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    ours = [str(Path(sys.executable).with_name("spotbox")), "--help"]
    theirs = [shutil.which("aws") or sys.exit("aws is not on PATH"), "--version"]
    for command in (ours, theirs):
        seconds(command)  # warm the disk cache
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(x / y for x, y in pairs)
    print(f"spotbox --help {a * 1000:.0f} ms, aws --version {b * 1000:.0f} ms, ratio {ratio:.2f} (bound {BOUND})")


if __name__ == "__main__":
    main()
