"""`spotbox` as it is, with a note at its end: when it slept between two looks, and when it asked for an SSH banner.

    python benchmarks/stamped.py FILE ARGUMENTS...

FILE gets JSON: `sleeps` and `banners`, each a list of [begin, end] on the clock of `time.monotonic`.
"""

import atexit
import json
import sys
import time
from pathlib import Path

import spotbox.system

NOTES: dict[str, list[tuple[float, float]]] = {"sleeps": [], "banners": []}


class Stamped(spotbox.system.System):
    """The machine, with notes of what was waited for."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
        began = time.monotonic()
        super().sleep(seconds)
        NOTES["sleeps"].append((began, time.monotonic()))

    def ssh_answers(self, host: str, port: int, timeout: float = 3.0) -> bool:
        """Whether an SSH server shows its banner there."""
        began = time.monotonic()
        answers = super().ssh_answers(host, port, timeout)
        NOTES["banners"].append((began, time.monotonic()))
        return answers


if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    spotbox.system.System = Stamped  # before anything else of spotbox is imported, which takes it from there
    atexit.register(lambda: file.write_text(json.dumps(NOTES)))
    from spotbox.__main__ import main

    main()
