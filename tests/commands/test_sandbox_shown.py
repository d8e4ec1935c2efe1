"""What `sandbox status` prints for a reader."""

from spotbox.commands.sandbox import _lines
from spotbox.output import to_pairs


def test_each_box_has_a_line_of_its_own():
    """A list stands item below item beside its label; an empty one says none."""
    record = {"running": True, "boxes": [{"id": "i-1", "name": "dev"}, {"id": "i-2", "name": "two"}], "faults": []}
    assert to_pairs(_lines(record)) == (
        "running  yes\nboxes    id i-1, name dev\n         id i-2, name two\nfaults   none"
    )
