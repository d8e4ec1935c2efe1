"""What is in the tree is in the wheel."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def listed_packages() -> set[str]:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    return set(setup["options"]["packages"].split())


def test_every_package_is_listed():
    """setup.cfg names each package of the tree: a forgotten one would be missing from the wheel without a word."""
    tree = {".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "spotbox").rglob("__init__.py")}
    assert listed_packages() == tree | {"spotbox.templates"}


def test_the_wheel_holds_the_whole_tree(tmp_path):
    """Build the wheel; every module and template of the checkout is in it."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT], check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {str(p.relative_to(ROOT)) for p in (ROOT / "spotbox").rglob("*.py")}
    wanted |= {
        f"spotbox/templates/{p.relative_to(ROOT / 'templates')}"
        for p in (ROOT / "templates").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert wanted <= inside
