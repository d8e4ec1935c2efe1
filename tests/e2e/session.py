"""The session that the README shows: run for real in a terminal, and written into the README.

python -m tests.e2e.session
"""

import json
import re
import shlex
import tempfile
import time
from pathlib import Path

import pexpect

from tests.e2e.conftest import SPOTBOX, Here, make_here

README = Path(__file__).parents[2] / "README.md"
COLUMNS = 100  # what fits the page of a code host
# What is typed, block by block, in one sandbox; {type} and {zone} are the box's. Before "# STATE" it is waited
# for that state, as a reader would.
BLOCKS = {
    "session": (
        "spotbox --sandbox up -y",
        "spotbox --sandbox ssh -- nvidia-smi -L",
        "spotbox --sandbox stop",
        "spotbox --sandbox start",
    ),
    "interruption": (
        "spotbox --sandbox ssh -- 'echo precious > results.txt'",
        "spotbox --sandbox sandbox capacity {type} {zone} closed",
        "spotbox --sandbox sandbox interrupt dev",
        "spotbox --sandbox status  # interrupted",
        "spotbox --sandbox sandbox capacity {type} {zone} open",
        "spotbox --sandbox status  # running",
        "spotbox --sandbox ssh -- cat results.txt",
    ),
    "move": (
        "spotbox --sandbox sandbox capacity {type} {zone} closed",
        "spotbox --sandbox sandbox interrupt dev",
        "spotbox --sandbox move -y  # interrupted",
        "spotbox --sandbox ssh -- cat results.txt",
    ),
    "end": ("spotbox --sandbox down -y",),
}
IDS = r"(?:i|sir|vol|sg|key|ami|subnet)-[0-9a-f]+"


def perform(here: Here) -> dict[str, str]:
    """Run the blocks in a terminal of COLUMNS; what stands on the screen afterwards, prompts included."""
    pool: dict[str, str] = {}
    screens = {}
    for name, commands in BLOCKS.items():
        screens[name] = ""
        for command in commands:
            if not pool and name != "session":
                box = json.loads(here.run("--sandbox", "status", "-o", "json").stdout)[0]
                pool = {"type": box["instance_type"], "zone": box["zone"]}
            typed, _, state = command.format(**pool).partition("  # ")
            if state:
                wait_for(here, state)
            screens[name] += "\n".join([f"$ {typed}", *screen(here, typed)]) + "\n"
    return screens


def wait_for(here: Here, state: str) -> None:
    """Look until the one box is in this state; AssertionError after a minute."""
    end = time.monotonic() + 60
    while json.loads(here.run("--sandbox", "status", "-o", "json").stdout)[0]["state"] != state:
        assert time.monotonic() < end, f"not {state} in a minute"
        time.sleep(0.3)


def screen(here: Here, typed: str) -> list[str]:
    """The lines that one command leaves on the terminal."""
    words, size = shlex.split(typed)[1:], (50, COLUMNS)
    child = pexpect.spawn(str(SPOTBOX), words, env=here.env, cwd=str(here.home), dimensions=size, encoding="utf-8")
    child.expect(pexpect.EOF, timeout=120)
    child.close()
    assert child.exitstatus == 0, child.before
    lines = []
    for line in child.before.split("\n"):
        # A live line ends with "erase it and go on": what was shown in between is not on the screen any more.
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line.split("\r\x1b[K")[-1]).replace("\r", "").rstrip()
        if text:
            lines.append(text.replace(str(here.home), "~"))
    return lines


def shown() -> dict[str, str]:
    """The blocks as the README has them."""
    text = README.read_text(encoding="utf-8")
    return {name: re.search(marked(name), text, re.DOTALL)[2] for name in BLOCKS}


def marked(name: str) -> str:
    """A pattern of one block: what opens it, what it holds, what closes it."""
    return rf"(<!-- {name} -->\n```console\n)(.*?)(```\n<!-- end of {name} -->)"


def plain(text: str) -> str:
    """The session without what differs from run to run: ids, addresses, times, fingerprints, column widths.

    The sandbox's market moves, so prices, savings and the order of the zones differ too.
    """
    text = re.sub(IDS, "ID", text)
    text = re.sub(r"127\.1\.\d+\.\d+", "ADDRESS", text)
    text = re.sub(r"spotbox-sandbox-[0-9a-f]{16}", "KEY", text)
    text = re.sub(r"us-east-1[a-f]", "ZONE", text)
    text = re.sub(r"<?\$\d+\.\d+", "$PRICE", text)
    text = re.sub(r"-?\d+\.\d\d %", "SAVED %", text)
    text = re.sub(r"GPU-[0-9a-f-]+", "GPU-ID", text)
    text = re.sub(r"\((\d+m )?\d+s\)", "(TIME)", text)
    # Where AWS was quicker than whoever types, the box runs already, and there is no time to tell.
    text = text.replace("dev runs already\n", "").replace("dev runs and answers  (TIME)", "dev runs and answers")
    text = re.sub(r"by AWS in \d+s", "by AWS in TIME", text)
    text = re.sub(r"savings: -?\d+\.\d%", "savings: SAVED%", text)
    text = re.sub(r"it ran (\d+m )?\d+s, stood stopped (\d+m )?\d+s", "it ran TIME, stood stopped TIME", text)
    return re.sub(r"[ -]{2,}", "  ", text)


def main() -> None:
    """Run the session and write it into the README."""
    with tempfile.TemporaryDirectory() as folder:
        here = make_here(Path(folder), SPOTBOX_SANDBOX_PACE="1", SPOTBOX_HOME=f"{folder}/home/.spotbox")
        try:
            screens = perform(here)
        finally:
            here.run("sandbox", "stop", code=None)
    text = README.read_text(encoding="utf-8")
    for name, lines in screens.items():
        text = re.sub(marked(name), lambda found, new=lines: found[1] + new + found[3], text, flags=re.DOTALL)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
