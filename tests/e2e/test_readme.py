"""The README and its pages are true: the session happens, commands run, flags exist, codes are the program's."""

import importlib.util
import os
import re
import subprocess

import click
import pytest

from spotbox.cli import COMMANDS, cli
from spotbox.core.errors import Exit
from spotbox.core.states import State
from tests.e2e import session
from tests.e2e.conftest import SPOTBOX, needs_ssh

TEXT = session.README.read_text(encoding="utf-8")
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in (session.README.parent / "docs").glob("*.md")}


def typed_lines() -> list[str]:
    """What the README tells one to type, its recorded session left out."""
    blocks = re.findall(r"^ *```(\w*)\n(.*?)\n *```$", TEXT, re.DOTALL | re.MULTILINE)
    lines = [line.strip().split("  #")[0].strip() for kind, block in blocks if not kind for line in block.splitlines()]
    return [line for line in lines if line.startswith("spotbox ")]


@needs_ssh
def test_the_session_is_real(fresh):
    """What the README shows is what the program prints, but for ids, addresses and times."""
    fresh.extra = {"SPOTBOX_HOME": str(fresh.home / ".spotbox")}
    done, shown = session.perform(fresh), session.shown()
    for name in session.BLOCKS:
        assert session.plain(done[name]) == session.plain(shown[name])


def test_the_first_screen():
    """One sentence, then two commands of one line each: the sandbox's up, and the tests."""
    blocks = re.findall(r"^```\n(.*?)\n```", TEXT, re.DOTALL | re.MULTILINE)
    assert blocks[0].endswith("spotbox --sandbox up")
    assert blocks[1].endswith("pytest")
    assert all("\n" not in block for block in blocks[:2])
    assert TEXT.index(blocks[1]) < 1200


@needs_ssh
def test_what_is_typed_runs(fresh):
    """Every `spotbox` command that the README tells one to type runs, in their order, in one sandbox."""
    fresh.extra = {"SPOTBOX_SANDBOX": "1"}
    env = fresh.env | {"PATH": f"{SPOTBOX.parent}{os.pathsep}{fresh.env['PATH']}"}
    (fresh.home / "train.py").write_text("print('one step')\n")
    lines = typed_lines()
    assert len(lines) > 6
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line], env=env, cwd=fresh.home, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_links_lead_somewhere():
    """Every relative link and picture of the README and of a page exists."""
    root = session.README.parent
    pages = {root: TEXT, **{root / "docs" / name: text for name, text in PAGES.items()}}
    for place, text in pages.items():
        folder = place if place is root else place.parent
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (folder / link).exists(), f"{place}: {link}"


def test_every_page_is_reached_and_says_what_it_is_for():
    """The README links to each page of docs/, and each begins with a title and a paragraph."""
    for name, text in PAGES.items():
        assert f"](docs/{name}.md" in TEXT, name
        assert re.match(r"# .+\n\n[\w`]", text), name


def test_anchors_are_headings():
    """A link to a part of a page names a heading that is there."""
    pages = {"": TEXT, "README": TEXT, **PAGES}
    heads = {name: set(map(slug, re.findall(r"^#+ (.+)$", text, re.MULTILINE))) for name, text in pages.items()}
    for text in [TEXT, *PAGES.values()]:
        for page, anchor in re.findall(r"\]\((?:[\w./-]*?([\w-]+)\.md)?#([^)]*)\)", text):
            assert anchor in heads[page], f"{page}#{anchor}"


def slug(heading: str) -> str:
    """The anchor that a code host gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_help_page_is_the_programs():
    """docs/commands.md is what `python docs/help.py` writes now."""
    spec = importlib.util.spec_from_file_location("spotbox_docs_help", session.README.parent / "docs" / "help.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert PAGES["commands"] == module.page()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_told(command):
    """Each command stands in the README's table, and its help on the page of helps."""
    assert f"`{command}`" in TEXT
    assert f"## `spotbox {command}`" in PAGES["commands"]


def test_every_flag_of_up_is_documented():
    """Each long flag of `up` stands on the page of boxes."""
    up = cli.get_command(click.Context(cli), "up")
    flags = {o for p in up.params if isinstance(p, click.Option) and not p.hidden for o in p.opts if len(o) > 2}
    flags -= {
        "--region",
        "--zone",
        "--instance-type",
        "--output",
        "--yes",
        "--help",
        "--verbose",
        "--version",
    }  # by their letter
    flags -= {"--config", "--profile", "--sandbox"}  # every command has them
    flags -= {"--pool"} if "`spotbox up --pool big`" in PAGES["configuration"] else set()
    assert {flag for flag in flags if f"`{flag}" not in PAGES["boxes"]} == set()


def test_every_flag_of_prices_is_documented():
    """Each flag of `prices` stands in the table of its section, and every sort with it."""
    prices = cli.get_command(click.Context(cli), "prices")
    section = PAGES["prices"]
    common = {"--verbose", "--sandbox", "--config", "--profile", "--version", "--help"}
    options = [p for p in prices.params if isinstance(p, click.Option) and not common & set(p.opts)]
    assert len(options) > 10
    assert [p.opts for p in options if not any(f"| `{name}` |" in section for name in p.opts)] == []
    (sort,) = [p for p in options if p.name == "sort"]
    assert all(f"`{name}`" in section for name in sort.type.choices)


def test_states_and_exit_codes_are_the_programs():
    """The tables name exactly what the program knows."""
    assert {state for state in State if f"| `{state}` |" in PAGES["boxes"]} == set(State)
    assert {code for code in Exit if f"`{code.value}` " in TEXT} == set(Exit)
