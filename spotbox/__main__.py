"""python -m spotbox, and the `spotbox` script: the first of spotbox that runs."""

import os
import signal
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    """Ctrl-C while the modules are loaded: nothing is begun, and a traceback of imports helps nobody."""
    os.write(2, b"\nspotbox: interrupted; nothing was changed\n")
    os._exit(130)


# Not in a function that is called later: the imports below are what takes time. `main` gives Ctrl-C back to Python.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _leave)

if os.environ.get("_SPOTBOX_COMPLETE", "").endswith("_complete"):  # a shell waits for each key: without click
    from spotbox.complete import answer as main
else:
    from spotbox.cli import main  # type: ignore[assignment]

if __name__ == "__main__":
    main()
