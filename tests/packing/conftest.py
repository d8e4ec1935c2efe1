"""A folder to be packed."""

import pytest

from tests.packing.packed import grown


@pytest.fixture
def folder(tmp_path):
    """A folder to be packed."""
    return grown(tmp_path / "code", {"train.py": "print(1)\n"})
