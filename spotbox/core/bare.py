"""Programs without their comments, for user data of 16 KB: still to be read, as every name and line of code stays."""

import ast
import io
import tokenize

_HEAD = "# The source with its comments is in spotbox, templates/guard."


def bare(text: str) -> str:
    """A program as it is sent: Python without comments and docstrings, a shell script without lines of comment."""
    if text.startswith("#!"):
        first, *rest = text.split("\n")
        return "\n".join([first, *(line for line in rest if line.strip() and not line.lstrip().startswith("#"))]) + "\n"
    if text.startswith('"""'):
        return _bare_python(text)
    return text


def _bare_python(text: str) -> str:
    lines = text.split("\n")
    drop: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            first = node.body[0]
            drop |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
            if len(node.body) == 1:
                drop.discard(first.lineno)
                lines[first.lineno - 1] = " " * first.col_offset + "pass"
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    kept = [line for number, line in enumerate(lines, 1) if number not in drop and line.strip()]
    return "\n".join([_HEAD, *kept]) + "\n"
