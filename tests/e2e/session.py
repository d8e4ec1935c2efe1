"""The session that the README shows: run for real in a terminal, and written into the README.

python -m tests.e2e.session
"""

import re
import tempfile
from pathlib import Path

import pexpect

from tests.e2e.conftest import SPOTBOX, Here, make_here

README = Path(__file__).parents[2] / "README.md"
COMMANDS = (
    "spotbox --sandbox up -y",
    "spotbox --sandbox ssh -- nvidia-smi -L",
    "spotbox --sandbox status",
    "spotbox --sandbox stop",
    "spotbox --sandbox start",
    "spotbox --sandbox down -y",
)
BEGIN, END = "<!-- session -->\n", "<!-- end of session -->"
IDS = r"(?:i|sir|vol|sg|key|ami|subnet)-[0-9a-f]+"


def perform(here: Here) -> str:
    """Run the commands in a terminal of 110 columns; what stands on the screen afterwards, prompts included."""
    lines = []
    for command in COMMANDS:
        child = pexpect.spawn(
            str(SPOTBOX), command.split()[1:], env=here.env, cwd=str(here.home), dimensions=(50, 110), encoding="utf-8"
        )
        child.expect(pexpect.EOF, timeout=120)
        child.close()
        assert child.exitstatus == 0, child.before
        lines.append(f"$ {command}")
        for line in child.before.split("\n"):
            # A live line ends with "erase it and go on": what was shown in between is not on the screen any more.
            text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line.split("\r\x1b[K")[-1]).replace("\r", "").rstrip()
            if text:
                lines.append(text.replace(str(here.home), "~"))
    return "\n".join(lines) + "\n"


def shown() -> str:
    """The session as the README has it."""
    text = README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    return text.strip().removeprefix("```console\n").removesuffix("```")


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
    text = re.sub(r"savings: -?\d+\.\d%", "savings: SAVED%", text)
    text = re.sub(r"it ran (\d+m )?\d+s, stood stopped (\d+m )?\d+s", "it ran TIME, stood stopped TIME", text)
    return re.sub(r"[ -]{2,}", "  ", text)


def main() -> None:
    """Run the session and write it into the README."""
    with tempfile.TemporaryDirectory() as folder:
        here = make_here(Path(folder), SPOTBOX_SANDBOX_PACE="1", SPOTBOX_HOME=f"{folder}/home/.spotbox")
        try:
            session = perform(here)
        finally:
            here.run("sandbox", "stop", code=None)
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    README.write_text(f"{before}{BEGIN}```console\n{session}```\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
