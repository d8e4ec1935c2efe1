"""User data as cloud-init takes it, and what is refused before EC2 would."""

import ast
import base64
import email
import gzip
import io
import json
import random
import tokenize
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotbox.core.bare import bare
from spotbox.core.errors import UsageError
from spotbox.core.userdata import LIMIT, GuardSettings, build, content_type

FILES = {"guard.py": '"""The guard."""\n\nimport sys\n\nsys.exit(0)\n', "spotbox-guard.service": "[Unit]\nA=b\n"}
START = "#!/bin/sh\nsystemctl start x\n"
GUARD = Path(__file__).parents[2] / "templates" / "guard"
SETTINGS = GuardSettings("ubuntu", (("~/ckpt", "s3://mine/dev"),), data=True)


def parts_of(data: bytes) -> list:
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return [part for part in email.message_from_bytes(text).walk() if not part.is_multipart()]


def made(user_data=None, fresh=True, files=None):
    return build(files or FILES, START, SETTINGS, user_data, fresh=fresh)


def test_the_same_box_gets_the_same_bytes():
    """User data has no time and no chance in it, so that a launch can be asked for again with its ClientToken."""
    noise = random.Random(1).randbytes(9000).hex().encode()
    for own in (None, b"#!/bin/sh\necho a\n", b"#!/bin/sh\n# " + noise + b"\n"):
        assert made(own) == made(own)
    assert made(b"#!/bin/sh\n# " + noise)[4:8] == b"\0\0\0\0"  # no time in gzip's header


def test_the_users_file_is_first_and_kept_as_it_is():
    """The user's file comes before spotbox's cloud-config, byte for byte."""
    own = b"#!/bin/bash\necho '--==spotbox=='\n--==spotbox==\n\n  last line without end"
    kinds = [part.get_content_type() for part in parts_of(made(own))]
    assert kinds == ["text/x-shellscript", "text/x-shellscript", "text/cloud-config"]
    assert parts_of(made(own))[0].get_payload(decode=True) == own


@pytest.mark.parametrize(
    "own", ["#!/bin/sh\necho é 漢\n".encode(), b"#!/bin/sh\r\necho\r\n", b"#!/bin/sh\nexit\n\0\xff\xfe\x00binary"]
)
def test_what_is_no_plain_text_goes_as_base64(own):
    """A script with other than ASCII text in it reaches the box byte for byte."""
    assert parts_of(made(own))[0].get_payload(decode=True) == own


def test_plain_up_to_16_kb_and_gzip_of_the_whole_above():
    """User data is plain where EC2 takes that, else gzip of the whole: inside, the guard is plain text."""
    small, large = made(), made(b"#!/bin/sh\n" + b"# words\n" * 3000)
    assert b"sys.exit(0)" in small
    assert small.startswith(b"Content-Type: multipart/mixed")
    assert large[:2] == b"\x1f\x8b"
    assert len(large) <= LIMIT
    assert b"sys.exit(0)" in gzip.decompress(large)


def test_too_much_is_refused_with_its_size():
    """What EC2 would not take is refused with its size and what spotbox's own share of it is."""
    own = b"#!/bin/sh\n# " + base64.b64encode(random.Random(2).randbytes(20000))
    with pytest.raises(UsageError, match=r"the user data is \d{5} bytes compressed, with \d+ of spotbox's own") as said:
        made(own)
    assert "16384" in said.value.message


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("#!/bin/sh\n", "text/x-shellscript"),
        ("\n  #cloud-config\n{}", "text/cloud-config"),
        ("#Cloud-Config-archive\n[]", "text/cloud-config-archive"),
        ("#cloud-config-jsonp\n[]", "text/cloud-config-jsonp"),
        ("#cloud-boothook\n", "text/cloud-boothook"),
        ("#include\nhttps://a", "text/x-include-url"),
        ("#include-once\nhttps://a", "text/x-include-once-url"),
        ("#part-handler\n", "text/part-handler"),
        ("## template: jinja\n#cloud-config\n", "text/jinja2"),
        ("Content-Type: multipart/mixed; boundary=a\nMIME-Version: 1.0\n\n--a\n\n--a--", "multipart"),
    ],
)
def test_kinds_are_cloud_inits(text, kind):
    """The user's file is what cloud-init would take it for by how it begins."""
    assert content_type(text.encode()) == kind


@pytest.mark.parametrize("text", [b"echo hello\n", b"\x7fELF", b"\xff\xfe#!/bin/sh", b"{}", b"<powershell>"])
def test_what_cloud_init_ignores_is_refused(text):
    """A file that cloud-init would only log as unknown is refused, saying what it takes."""
    with pytest.raises(UsageError) as said:
        made(text)
    assert "#cloud-config" in said.value.hint


def test_gzip_of_the_users_is_unpacked():
    """A compressed file of the user's counts as what is in it; a bomb or a broken one is refused."""
    script = b"#!/bin/sh\necho packed\n"
    assert parts_of(made(gzip.compress(script)))[0].get_payload(decode=True) == script
    for broken in (gzip.compress(script)[:-6], b"\x1f\x8bnonsense", gzip.compress(b"#!" + b"0" * 2_000_000)):
        with pytest.raises(UsageError):
            made(broken)


def test_a_moved_box_keeps_its_host_keys():
    """A box from its own image gets no part of the user's, no restore, and `ssh_deletekeys: false`."""
    parts = parts_of(made(b"#!/bin/sh\necho mine\n", fresh=False))
    assert [part.get_content_type() for part in parts] == ["text/x-shellscript", "text/cloud-config"]
    assert "ssh_deletekeys: false" in parts[1].get_payload()
    assert '"restore": false' in parts[1].get_payload()
    assert "ssh_deletekeys" not in parts_of(made())[1].get_payload()


def test_settings_say_what_the_guard_needs():
    """The settings file holds the login, the checkpoints and whether there is a data volume."""
    assert json.loads(SETTINGS.json()) == {
        "user": "ubuntu",
        "checkpoints": [{"local": "~/ckpt", "remote": "s3://mine/dev"}],
        "data": True,
        "restore": True,
    }


@pytest.mark.parametrize("text", ["x", "\nx\n", "x\n\n", "x\t\n", "é\n", " x\n", "", "a\x85b\n"])
def test_a_template_that_yaml_would_change_is_refused(text):
    """Only text that a literal block gives back exactly may be a template."""
    with pytest.raises(ValueError, match="template"):
        made(files={"x": text})


def test_bare_code_is_the_same_code():
    """Without comments and docstrings a program is the same, and one that is nothing else stays valid."""
    text = '"""Doc."""\n\nX = "# no comment"  # one\n\n\nclass A(Exception):\n    """Doc."""\n'
    text += "\n\ndef f():\n    # why\n    return 1\n"
    assert bare(text).splitlines()[1:] == [
        'X = "# no comment"',
        "class A(Exception):",
        "    pass",
        "def f():",
        "    return 1",
    ]
    assert bare("#!/bin/sh\n# a\necho '#b'\n\nexit\n") == "#!/bin/sh\necho '#b'\nexit\n"
    assert bare("[Unit]\n# a\n") == "[Unit]\n# a\n"


@pytest.mark.parametrize("path", sorted(GUARD.glob("*.py")), ids=lambda path: path.name)
def test_a_program_of_the_guard_loses_its_comments_and_docstrings_alone(path):
    """Python's own parser finds the same code in what is sent, and neither a comment nor a docstring."""
    sent = bare(path.read_text())
    assert _code(ast.parse(sent)) == _code(ast.parse(path.read_text()))
    assert all(ast.get_docstring(node) is None for node in ast.walk(ast.parse(sent)) if isinstance(node, _DOCUMENTED))
    tokens = tokenize.generate_tokens(io.StringIO(sent).readline)
    assert [token.start for token in tokens if token.type == tokenize.COMMENT] == [(1, 0)]


@given(st.text(st.sampled_from("#\"'\\:\n ax"), max_size=20))
def test_bare_code_has_the_same_strings(text):
    """Whatever stands in a string or a comment, the strings of the code stay as they are."""
    comment = text.replace("\n", " ")
    source = f'"""Doc."""\n\n# {comment}\nX = {text!r}  # {comment}\nY = ({text!r},)  # {comment}\n'
    found = {}
    exec(bare(source), found)  # noqa: S102 - it was made above
    assert (found["X"], found["Y"]) == (text, (text,))
    assert bare(source).count("\n") == 3


_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _code(tree: ast.Module) -> str:
    """The tree in words, docstrings left out."""
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)
