"""The guard runs on the Python of the oldest Deep Learning AMI, 3.9: its grammar, and the rest where that is here.

TEST_GUARD_PYTHON names an interpreter with which the other tests of this folder run the guard.
"""

import ast

import pytest

from spotbox.resources import template_path

SOURCES = sorted(template_path("guard").glob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_grammar_is_that_of_python_3_9(path):
    """No match statement, no parenthesised context managers, no exception groups."""
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_annotation_needs_a_later_one(path):
    """`int | None` in an annotation is evaluated, and fails on 3.9: the guard has none."""
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert functions
    assert not [f.name for f in functions if f.returns or any(a.annotation for a in f.args.args)]
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)]
