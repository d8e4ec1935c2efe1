"""What `sandbox status` prints for a reader, and that nothing is done there unsaid."""

from spotbox.commands.sandbox import _lines
from spotbox.output import to_pairs


def test_each_box_has_a_line_of_its_own():
    """A list stands item below item beside its label; an empty one says none."""
    record = {"running": True, "boxes": [{"id": "i-1", "name": "dev"}, {"id": "i-2", "name": "two"}], "faults": []}
    assert to_pairs(_lines(record)) == (
        "running  yes\nboxes    id i-1, name dev\n         id i-2, name two\nfaults   none"
    )


def test_without_a_terminal_it_is_said_that_it_is_emptied(user):
    """`sandbox reset` takes the default where nobody can be asked, and says so; -y needs no such word."""
    for args, told in (((), "no terminal to ask on: going ahead, as this is the sandbox\n"), (("-y",), "")):
        said = user.run("sandbox", "reset", *args)
        assert (said.code, said.out, said.err) == (0, "the sandbox is empty\n", told)
