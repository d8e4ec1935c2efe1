"""Where templates/ lies, and how to read one."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def template_path(name: str) -> Path:
    """The path of a template. In an installed package they lie in it, in a checkout beside it."""
    for folder in (_PACKAGE / "templates", _PACKAGE.parent / "templates"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(name)


def read_template(name: str) -> str:
    """The text of a template."""
    return template_path(name).read_text(encoding="utf-8")
