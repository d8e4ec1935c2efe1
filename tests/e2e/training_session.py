"""The training session that the README shows: run for real in a terminal, and written into its page.

python -m tests.e2e.training_session
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pexpect

from tests.e2e.conftest import SPOTBOX, Here, make_here
from tests.e2e.session import README

PAGE = README.parent / "docs" / "training.md"

SCRIPT = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]  # what the page shows is what runs
FLAGS = (
    "--role trainer --image pytorch --output-path s3://mine/out -t ml.g5.xlarge --checkpoint s3://mine/sum --name sum"
)
COMMANDS = (f"spotbox --sandbox train ./train.py {FLAGS} -y", "spotbox --sandbox train list")
BEGIN, END = "<!-- training session -->\n", "<!-- end of training session -->"


def perform(here: Here) -> str:
    """Run the commands in a terminal of 110 columns, the job interrupted at its third step; what was on the screen."""
    (here.home / "train.py").write_text(SCRIPT)
    here.run("sandbox", "start")
    lines = []
    for command in COMMANDS:
        child = pexpect.spawn(
            str(SPOTBOX), command.split()[1:], env=here.env, cwd=str(here.home), dimensions=(60, 110), timeout=120,
            encoding="utf-8",
        )  # fmt: skip
        text = ""
        if "--name sum" in command:
            child.expect("step 3")
            text += str(child.before) + str(child.after)
            subprocess.run([SPOTBOX, "sandbox", "interrupt", "sum"], env=here.env, check=True, capture_output=True)
        child.expect(pexpect.EOF)
        text += str(child.before)
        child.close()
        assert child.exitstatus == 0, text
        lines += [f"$ {command}", *_screen(text)]
    return "\n".join(lines) + "\n"


def _screen(text: str) -> list[str]:
    """The lines that stay: a live line ends with "erase it and go on"."""
    kept = (re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line.split("\r\x1b[K")[-1]) for line in text.split("\n"))
    python = re.escape(str(Path(sys.executable).parent)) + r"/python[\d.]*"  # the script's first line names any of them
    return [re.sub(python, "python", line.replace("\r", "")).rstrip() for line in kept if line.strip("\r")]


def shown() -> str:
    """The session as the page has it."""
    text = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    return text.strip().removeprefix("```console\n").removesuffix("```")


def plain(text: str) -> list[str]:
    """The lines of the session without what differs from run to run: times, prices, and at which step it was taken."""
    text = re.sub(r"\d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"\d+s ago", "AGO", text)
    text = re.sub(r"us-east-1[a-f]", "ZONE", text)
    text = re.sub(r"\$\d+\.\d+", "$PRICE", text)
    text = re.sub(r"(seconds: |at step |estimate: )\d+", r"\1N", text)
    text = re.sub(r"savings: \d+\.\d%", "savings: N%", text)
    text = re.sub(r"us-east-1  AGO .*", "us-east-1  AGO", text)
    text = re.sub(r"\(\d+s\)", "(TIME)", text)
    text = re.sub(r"[ -]{2,}", "  ", text)
    return sorted({line for line in text.splitlines() if not line.startswith("step ")})  # the log's order is by time


def main() -> None:
    """Run the session and write it into the page."""
    with tempfile.TemporaryDirectory() as folder:
        here = make_here(Path(folder), SPOTBOX_SANDBOX_PACE="0.5", TZ="UTC")
        try:
            session = perform(here)
        finally:
            here.run("sandbox", "stop", code=None)
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}```console\n{session}```\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
