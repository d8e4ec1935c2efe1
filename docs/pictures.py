"""The pictures of the README, made by the program from the sandbox: `pip install rich && python docs/pictures.py`.

Each is what the named command leaves on a terminal of so many columns, colours included, as an SVG that
loads nothing. The sandbox's prices stand near dated public ones and move, so a new picture has other figures.
"""

import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

import pexpect
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
PICTURES = {  # file -> columns, command
    "prices.svg": (92, "spotbox prices -t 'g*.xlarge' --min-vram 22"),
    "history.svg": (88, "spotbox prices -t g5.xlarge --history 14 --limit 2 --max-price 55%"),
}
CELL, LINE, SIZE, EDGE = 8.4, 16, 14, 14  # width and height of a character's cell, size of the font, margin; pixels
GROUND, INK = "#12141a", "#d6dae3"
FONT = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def on_screen(command: str, columns: int, env: dict[str, str]) -> str:
    """What a command leaves on a terminal, with its colours and without live lines that it has erased."""
    child = pexpect.spawn(
        shutil.which("spotbox", path=env["PATH"]),
        shlex.split(command)[1:],
        env=env,
        dimensions=(60, columns),
        encoding="utf-8",
    )
    child.expect(pexpect.EOF, timeout=120)
    child.close()
    if child.exitstatus:
        raise SystemExit(f"{command} ended with {child.exitstatus}:\n{child.before}")
    lines = [line.split("\r\x1b[K")[-1].replace("\r", "") for line in child.before.split("\n")]
    return "\n".join(re.sub(r"\x1b\[\?\d+[hl]", "", line) for line in lines).strip("\n")


def draw(file: Path, command: str, columns: int, env: dict[str, str]) -> None:
    """One picture; every word is given its place and its width, for fonts differ and renderers drop blanks."""
    lines = Text.from_ansi(f"$ {command}\n{on_screen(command, columns, env)}").split("\n")
    body = [run for number, line in enumerate(lines) for run in drawn(line, EDGE + LINE * number + SIZE)]
    width, height = 2 * EDGE + CELL * columns, 2 * EDGE + LINE * len(lines)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">'
    label = f"<title>{escape(command)}</title>"
    ground = f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>'
    font = f'<g font-family="{FONT}" font-size="{SIZE}">'
    file.write_text("\n".join([head, label, ground, font, *body, "</g>", "</svg>", ""]), encoding="utf-8")


def drawn(line: Text, y: int) -> Iterator[str]:
    """One line, word by word."""
    at = 0
    for segment in line.render(Console(color_system="truecolor"), end=""):
        style = segment.style
        color = style.color.get_truecolor(MONOKAI).hex if style and style.color else INK
        for word in re.finditer(r"[^ ]+", segment.text):
            x, length = EDGE + CELL * (at + word.start()), CELL * len(word[0])
            place = f'x="{x:.1f}" y="{y}" textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs"'
            yield f'<text {place} fill="{color}">{escape(word[0])}</text>'
        at += len(segment.text)


def main() -> None:
    """Draw all of them."""
    with tempfile.TemporaryDirectory() as home:
        env = {
            "HOME": home,
            "SPOTBOX_HOME": f"{home}/spotbox",
            "SPOTBOX_SANDBOX": "1",
            "TERM": "xterm-256color",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        try:
            for name, (columns, command) in PICTURES.items():
                draw(HERE / name, command, columns, env)
        finally:
            pexpect.run("spotbox sandbox stop", env=env)


if __name__ == "__main__":
    main()
