"""`prices --history`: rows as a script reads them, charts and a table as a terminal shows them."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from spotbox.core.history import KEYS
from tests.commands.market import PAST

ROOT = Path(__file__).parents[2]
ROWS = [
    ("g4dn.xlarge", "us-east-1a", "2026-02-19T12:00:00Z", "0.15"),
    ("g4dn.xlarge", "us-east-1a", "2026-02-24T12:00:00Z", "0.1578"),
    ("g4dn.xlarge", "us-east-1b", "2026-02-28T11:00:00Z", ""),
    ("g4dn.xlarge", "us-east-1b", "2026-02-28T12:00:00Z", "0.165"),
]
CSV = "instance_type,zone,timestamp,spot\n" + "".join(f"{','.join(row)}\n" for row in ROWS)
PLAIN = """\
instance_type  zone        timestamp             spot
g4dn.xlarge    us-east-1a  2026-02-19T12:00:00Z  0.15
g4dn.xlarge    us-east-1a  2026-02-24T12:00:00Z  0.1578
g4dn.xlarge    us-east-1b  2026-02-28T11:00:00Z  unknown
g4dn.xlarge    us-east-1b  2026-02-28T12:00:00Z  0.165
"""
JSON = """\
[
  {"instance_type": "g4dn.xlarge", "zone": "us-east-1a", "timestamp": "2026-02-19T12:00:00Z", "spot": 0.15},
  {"instance_type": "g4dn.xlarge", "zone": "us-east-1a", "timestamp": "2026-02-24T12:00:00Z", "spot": 0.1578},
  {"instance_type": "g4dn.xlarge", "zone": "us-east-1b", "timestamp": "2026-02-28T11:00:00Z", "spot": null},
  {"instance_type": "g4dn.xlarge", "zone": "us-east-1b", "timestamp": "2026-02-28T12:00:00Z", "spot": 0.165}
]
"""


@pytest.fixture
def shop(user):
    """A g4dn.xlarge that rose in zone a half-way through ten days, and that is known in zone b for a day."""
    user.world.changes = {
        ("g4dn.xlarge", "us-east-1a"): [(24 * 10, "0.15"), (24 * 5, "0.1578")],
        ("g4dn.xlarge", "us-east-1b"): [(25, None), (24, "0.165")],
    }
    return user


@pytest.mark.parametrize(("output", "out"), [("csv", CSV), ("json", JSON), ("table", PLAIN)])
def test_rows(shop, output, out):
    """Without a terminal: every change by type, zone and time, and the one in force when the window began."""
    said = shop.run("prices", "-t", "g4dn.xlarge", "--history", "8", "-o", output)
    assert (said.code, said.out, said.err) == (0, out, "")
    assert tuple(CSV.splitlines()[0].split(",")) == KEYS
    assert [asked[0] for asked in shop.world.asked] == ["history"]  # nothing else is needed, and nothing else asked


@pytest.mark.parametrize(("output", "out"), [("csv", f"{','.join(KEYS)}\n"), ("json", "[]\n"), ("table", "")])
def test_no_past(shop, output, out):
    """Nothing in the window: the empty form, and a remark."""
    shop.world.changes = {pool: [] for pool in shop.world.market["us-east-1"]}
    said = shop.run("prices", "--history", "8", "-o", output)
    assert (said.code, said.out, said.err) == (0, out, "no Spot price of the last 8 days in us-east-1\n")
    said = shop.run("prices", "--history", "8", "--gpu", "L9", "-o", output)
    why = "--gpu removed the last row: no GPU here is called 'L9'; here: A10G, T4\n"
    assert (said.code, said.out, said.err) == (0, out, why)


def test_filters_narrow_the_types_and_limit_the_pools(shop):
    """--gpu and --min-vram choose types; --limit the pools that are cheapest now; --max-price removes nothing."""
    shop.run("prices", "--history", "8", "--gpu", "a10g", "-o", "csv")
    assert shop.world.asked[-1] == ("history", ("us-east-1",), ("g5.xlarge",))
    said = shop.run("prices", "--history", "8", "--limit", "1", "--max-price", "0.01", "-o", "csv")
    assert {line.split(",")[1] for line in said.out.splitlines()[1:]} == {"us-east-1a"}
    assert said.err == "the cheapest 1 of 3 pools; --limit shows more\n"


def test_a_region_that_fails(shop):
    """One remark, though two calls met it; all of them is an error."""
    shop.world.refuses(PAST, "UnauthorizedOperation", http=403, region="eu-west-1")
    said = shop.run("prices", "--history", "8", "-r", "all", "-t", "g4dn.xlarge", "-o", "csv")
    assert (said.code, said.out) == (0, CSV)
    assert said.err.startswith("no prices of eu-west-1: no permission for ec2:")
    assert shop.run("prices", "--history", "8", "-r", "eu-west-1").code == 5


# -- on a terminal -------------------------------------------------------------------------------------------------


class Screen(io.StringIO):
    """A terminal that keeps what it was shown."""

    encoding = "utf-8"

    def isatty(self):
        return True

    def fileno(self):
        return 1


SUMMARY = """\
                            min  median     max     now  on-demand  held at
type         zone           $/h     $/h     $/h     $/h        $/h     0.15
-----------  ----------  ------  ------  ------  ------  ---------  -------
g4dn.xlarge  us-east-1a  0.1500  0.1500  0.1578  0.1578     0.5260   50.0 %
g4dn.xlarge  us-east-1b  0.1650  0.1650  0.1650  0.1650     0.5260    0.0 %
"""


@pytest.fixture
def seen(shop, monkeypatch):
    """Runs a command whose stdout is a terminal of so many columns; gives what it showed, and its stderr."""

    def run(*args, columns=80, **env):
        shown, shop.env = Screen(), env
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", shown)
            patched.setenv("COLUMNS", str(columns))
            said = shop.run(*args)
        assert said.code == 0
        return shown.getvalue(), said.err

    return run


def test_charts_and_one_table(seen):
    """A chart for each zone, cheapest now first, and the share that the bid would have held."""
    shown, err = seen("prices", "--history", "10", "-t", "g4dn.xlarge", "--max-price", "0.15", NO_COLOR="1")
    assert shown.endswith(SUMMARY)
    assert shown.index("g4dn.xlarge us-east-1a, 10 days in UTC, USD/h") < shown.index(
        "g4dn.xlarge us-east-1b, 10 days in UTC, USD/h"
    )
    assert shown.count("on-demand 0.5260") == 2
    assert shown.isascii()
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert err == "held: share of the hours in which the Spot price was at most the bid (0.15)\n"


@pytest.mark.parametrize(("env", "colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_where_nothing_speaks_against_it(seen, env, colour):
    """The terminal gets colour and block characters unless NO_COLOR or TERM=dumb."""
    shown, _ = seen("prices", "--history", "10", "-t", "g4dn.xlarge", **env)
    assert ("\x1b[" in shown, "─" in shown) == (colour, colour)


def test_more_pools_than_charts(shop, seen):
    """Eight unless --limit says otherwise; what is left out is said."""
    shop.world.offers("us-east-1", "g5.xlarge", **dict.fromkeys("abcdefgh", "0.5"))
    shown, err = seen("prices", "--history", "10")
    assert shown.count("USD/h") == 8
    assert "left out: 2 of 10 pools, which cost more now; --limit shows more\n" in err
    assert seen("prices", "--history", "10", "--limit", "9")[0].count("USD/h") == 9


def test_a_narrow_terminal_drops_columns(seen):
    """The least important columns go, and which is said; no line is wider than the terminal."""
    shown, err = seen("prices", columns=60)
    assert err == "the terminal has 60 columns, so left out: memory, vCPU, GPU memory, interruption\n"
    assert max(map(len, shown.splitlines())) <= 60
    assert shown.splitlines()[1].split() == ["type", "GPU", "zone", "$/h", "$/h", "%"]
    shown, err = seen("prices", columns=100)
    assert (max(map(len, shown.splitlines())), err) == (90, "")


# -- a reader that goes away ---------------------------------------------------------------------------------------

FAKED = """
import sys
from spotbox.cli import run
from tests.commands.fakes import FakeApp
from tests.commands.world import World
world = World()
world.changes = {("g4dn.xlarge", "us-east-1a"): [(i / 1000, "0.15") for i in range(60000, 0, -1)]}
sys.exit(run(sys.argv[1:], obj=FakeApp(world, None, {"SPOTBOX_HOME": "/nonexistent"})))
"""


@pytest.mark.parametrize("output", ["json", "csv", "table"])
def test_a_reader_that_has_gone(output):
    """`spotbox prices --history 90 | head`: it ends without a word."""
    args = [sys.executable, "-c", FAKED, "prices", "--history", "90", "-t", "g4dn.xlarge", "-o", output]
    with subprocess.Popen(args, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout.read(1)
        run.stdout.close()
        assert run.stderr.read() == b""
        assert run.wait(30) == 1


def test_a_real_terminal():
    """On a pseudo-terminal of 80 columns the charts are there, in colour, and fit."""
    main, end = pty.openpty()
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SPOTBOX_", "NO_COLOR", "COLUMNS"))}
    env |= {"TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    args = [sys.executable, "-c", FAKED, "prices", "--history", "90", "-t", "g4dn.xlarge"]
    with subprocess.Popen(args, cwd=ROOT, stdout=end, stderr=subprocess.DEVNULL, env=env) as run:
        os.close(end)
        shown = b""
        try:
            while part := os.read(main, 65536):
                shown += part
        except OSError:  # how Linux tells that the other side has closed
            pass
        assert run.wait(30) == 0
    os.close(main)
    text = shown.decode()
    assert "\x1b[" in text
    assert "g4dn.xlarge us-east-1a, 90 days in UTC, USD/h" in text
    assert "held at" in text
