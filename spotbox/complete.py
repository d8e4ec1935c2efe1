"""Completion for the shells, without click or any command: what it offers is in files.

The scripts are click's own (`_SPOTBOX_COMPLETE=bash_source spotbox`), and so are the forms of question and answer. The
shape of the command line is kept in the cache folder (`completion.json`), made anew by each version; words that are no
flags come from caches and the config file (`spotbox.recall`). AWS is not asked, and the sandbox is not started.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from spotbox.core.shapes import as_dict

Item = tuple[str, str, str]  # type (plain, file), value, help
# bash puts what is offered onto the command line as it is: `$(...)` in a name that somebody else gave (a box's is a
# tag) would be run. No box, pool, region, type or choice has other letters.
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+%-]*")
_ON = {"1", "true", "t", "yes", "y", "on"}  # as click reads a switch


def answer(env: Mapping[str, str] = os.environ) -> None:
    """Print what the shell asks for; nothing where it cannot be told.

    A traceback amid a command line helps nobody.
    """
    shell = env.get("_SPOTBOX_COMPLETE", "").removesuffix("_complete")
    with suppress(Exception):
        args, incomplete = _question(shell, env)
        items = offers(_shape(env), args, incomplete, env)
        sys.stdout.write("".join(f"{_told(shell, item)}\n" for item in items))
        sys.stdout.flush()


def _question(shell: str, env: Mapping[str, str]) -> tuple[list[str], str]:
    """The words before the one that is being typed, and that one."""
    words = _split(env["COMP_WORDS"])
    if shell != "fish":
        at = int(env["COMP_CWORD"])
        return words[1:at], words[at] if at < len(words) else ""
    typed = (_split(env["COMP_CWORD"]) or [""])[0]
    before = words[1:]
    return before[:-1] if typed and before and before[-1] == typed else before, typed


def _split(text: str) -> list[str]:
    """Words as a shell splits them; an open quote holds the rest."""
    import shlex

    lex = shlex.shlex(text, posix=True)
    lex.whitespace_split, lex.commenters = True, ""
    found: list[str] = []
    try:
        found.extend(lex)
    except ValueError:
        found.append(lex.token)
    return found


def _told(shell: str, item: Item) -> str:
    """An item in the form that click's script for the shell reads."""
    kind, value, about = item
    if shell == "zsh":  # which splits value and help at the first colon that is not escaped, where there is a help
        told = value.replace(":", r"\:") if about else value
        return f"{kind}\n{told}\n{about or '_'}"
    return f"{kind},{value}\t{about}" if shell == "fish" and about else f"{kind},{value}"


def offers(shape: Mapping[str, Any], args: list[str], incomplete: str, env: Mapping[str, str]) -> list[Item]:
    """What fits at the end of `args`: subcommands, flags, a flag's values, a command's arguments."""
    node, given, count, pending = shape, dict[str, str](), 0, ""
    left = [*args]
    while left:
        word = left.pop(0)
        if word == "--":
            return []
        if word.startswith("-") and word != "-":
            pending = _flag(node, word, left, given)
        elif not count and word in node.get("commands", ()):
            node = node["commands"][word]
            if word == "sandbox":  # its commands name what is in it
                given["sandbox"] = ""
        elif node["arguments"] or not node.get("commands"):
            count += 1
        else:
            return []
    if pending:
        return _values(node["flags"][pending], "" if incomplete == "=" else incomplete, given, env)
    if incomplete.startswith("-"):
        return _flags(node, incomplete, given, env)
    below = {} if count else node.get("commands", {})
    found: list[Item] = [("plain", n, c["about"]) for n, c in below.items() if n.startswith(incomplete)]
    arguments = node["arguments"]
    return found + (_values(arguments[count], incomplete, given, env) if count < len(arguments) else [])


def _flag(node: Mapping[str, Any], word: str, left: list[str], given: dict[str, str]) -> str:
    """Note a flag and take its value from the words that are left; its name where the value is yet to come."""
    name, equals, value = word.partition("=")
    flag = node["flags"].get(name)
    if flag is None:
        return ""
    given[flag["name"]] = value
    if not flag["takes"] or equals:
        return ""
    if left[:1] == ["="]:  # bash takes it for a word of its own
        del left[0]
    if not left:
        return name
    given[flag["name"]] = left.pop(0)
    return ""


def _flags(node: Mapping[str, Any], incomplete: str, given: Mapping[str, str], env: Mapping[str, str]) -> list[Item]:
    name, equals, value = incomplete.partition("=")
    if equals and name in node["flags"]:
        return [(k, f"{name}={v}", about) for k, v, about in _values(node["flags"][name], value, given, env)]
    return [
        ("plain", flag, about["about"])
        for flag, about in node["flags"].items()
        if flag.startswith(incomplete) and (about["many"] or about["name"] not in given) and not about["hidden"]
    ]


def _values(of: Mapping[str, Any], typed: str, given: Mapping[str, str], env: Mapping[str, str]) -> list[Item]:
    """The words that a flag or an argument takes: its choices, or those of its kind."""
    if of["kind"] == "file":
        return [("file", typed, "")]
    found: Iterable[str] = of["choices"] or (_kept(of["kind"], given, env) if of["kind"] else ())
    return [("plain", word, "") for word in found if word.startswith(typed) and _WORD.fullmatch(word)]


def _kept(kind: str, given: Mapping[str, str], env: Mapping[str, str]) -> list[str]:
    """Names of a kind, as the flags on the line, the variables and the config file say whose."""
    from spotbox.recall import words

    data = _config(given, env)
    if kind == "pool":
        return [name for name in as_dict(data.get("pool")) if isinstance(name, str)]
    kept = as_dict(data.get("defaults"))

    def setting(name: str) -> str | None:
        found = given.get(name) or env.get(f"SPOTBOX_{name.upper()}") or kept.get(name)
        return str(found) if found else None

    switch = env.get("SPOTBOX_SANDBOX", "")
    sandbox = "sandbox" in given or (switch.lower() in _ON if switch else kept.get("sandbox") is True)
    return words(kind, env, sandbox, setting("profile"), setting("owner"))


def _config(given: Mapping[str, str], env: Mapping[str, str]) -> dict[str, Any]:
    from spotbox.config import find_places, read_config

    named = given.get("config") or env.get("SPOTBOX_CONFIG")
    path = Path(os.path.expanduser(named)) if named else find_places(env).config / "config.toml"
    with suppress(Exception):  # whatever is wrong with it is told by the command itself
        return read_config(path, False)
    return {}


def _shape(env: Mapping[str, str]) -> Mapping[str, Any]:
    """The shape of the command line: as it was kept, else made of the commands themselves, which takes longer."""
    from spotbox.config import find_places, read_bounded

    file, mark = find_places(env).cache / "completion.json", _mark()
    with suppress(OSError, ValueError, RecursionError):
        kept = as_dict(json.loads(read_bounded(file)) if file.is_file() else None)  # a pipe would be waited for
        if kept.get("mark") == mark and as_dict(kept.get("shape")):
            return as_dict(kept["shape"])
    from spotbox.config import write_private
    from spotbox.shape import shape

    found = shape()
    with suppress(OSError):
        write_private(file, json.dumps({"mark": mark, "shape": found}))
    return found


def _mark() -> str:
    """A word that differs between versions of the commands, and between states of a checkout."""
    from spotbox import __version__

    here = Path(__file__).parent
    with os.scandir(here / "commands") as files:
        newest = max(file.stat().st_mtime_ns for file in files if file.name.endswith(".py"))
    return f"{__version__} {here} {newest} {(here / 'options.py').stat().st_mtime_ns}"
