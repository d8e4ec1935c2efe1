"""Where templates/ lies: what is sent to a box or shown as text."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def template_path(name: str) -> Path:
    """The path of a template or a folder of them. In an installed package they lie in it, in a checkout beside it.

    FileNotFoundError where there is none of that name.
    """
    for folder in (_PACKAGE / "templates", _PACKAGE.parent / "templates"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(name)
