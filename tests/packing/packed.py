"""Folders of given files, and what is in an archive that was made of them."""

import tarfile

import pytest

from spotbox.core.errors import Exit, SpotboxError
from spotbox.packing import _Walk, look, pack


def grown(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def packed(source, into):
    into.mkdir(exist_ok=True)
    return pack(look(source), into)


def members(made):
    with tarfile.open(made.path, "r:gz") as tar:
        return {member.name: member for member in tar.getmembers()}


def names(source):
    return [path for path, _ in look(source).files]


def entries(root):
    """What is taken of a folder, whether or not a script is among it."""
    walk = _Walk(root)
    walk.folder(root, [])
    return walk.files


def refused(source, match):
    with pytest.raises(SpotboxError, match=match) as caught:
        look(source)
    assert caught.value.exit_code == Exit.USAGE
    return caught.value
