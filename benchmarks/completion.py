"""What a TAB costs, side by side in one run: completions against `spotbox --version` and a bare interpreter.

    python benchmarks/completion.py [ROUNDS]

Runs them in turn, with caches of a few boxes and 900 types, and prints medians of processor time, as the wall tells
more of what else the machine does. Two bounds: no completion takes longer than `spotbox --version`, nor 100 ms more
than the interpreter's own start.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LINES = (
    "spotbox st",
    "spotbox ssh d",
    "spotbox up --pool b",
    "spotbox up -r eu",
    "spotbox up -t g5",
    "spotbox up --ma",
)
BOUND_MS = 100
CONFIG = "[pool.big]\n[pool.small]\n"


def milliseconds(command: list[str], env: dict[str, str]) -> float:
    """Processor time of one run."""
    start = _used()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return (_used() - start) * 1000


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fill(home: Path) -> None:
    """Caches as commands leave them."""
    from spotbox import recall
    from spotbox.config import cache_folder, find_places
    from spotbox.store import Store

    env = {"SPOTBOX_HOME": str(home)}
    store = Store(cache_folder(find_places(env), env, False))
    recall.remember(store, recall.account(None, {}), "me", {"us-east-1": ["dev", "deep"]})
    types = [f"g5.{n}xlarge" for n in range(2, 900)]
    store.update("region-types", lambda _: {"us-east-1": {"names": types}})
    (home / "config.toml").write_text(CONFIG)


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    python = [sys.executable]
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SPOTBOX_"))}
        env = {**clean, "SPOTBOX_HOME": folder}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        runs = {"python -c pass": ([*python, "-c", "pass"], env),
                "spotbox --version": ([*python, "-m", "spotbox", "--version"], env)}  # fmt: skip
        for line in LINES:
            words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_SPOTBOX_COMPLETE": "bash_complete"}
            runs[line + "<TAB>"] = ([*python, "-m", "spotbox"], {**env, **words})
        for run in runs.values():
            milliseconds(*run)  # caches, bytecode and the shape of the command line
        took: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                took[name].append(milliseconds(*run))
    medians = {name: statistics.median(times) for name, times in took.items()}
    bare, version = medians["python -c pass"], medians["spotbox --version"]
    for name, each in medians.items():
        kept = "" if not name.endswith("<TAB>") else f"   {'faster' if each <= version else 'SLOWER'} than --version"
        print(f"{name:<26}{each:7.0f} ms{each - bare:7.0f} over the interpreter{kept}")
    worst = max(each for name, each in medians.items() if name.endswith("<TAB>")) - bare
    print(f"worst {worst:.0f} ms over the interpreter's start (bound {BOUND_MS} ms)")


if __name__ == "__main__":
    main()
