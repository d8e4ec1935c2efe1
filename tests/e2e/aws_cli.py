"""A stand-in for the AWS CLI where that is not installed: `aws SERVICE OPERATION --parameter VALUE...`, by botocore's
own models, and `aws configure`. What it does not understand ends it with an error, as the real one's mistakes do.

python -m tests.e2e.aws_cli SERVICE OPERATION ...
"""

import json
import sys
from pathlib import Path

import boto3
import jmespath
from botocore import xform_name


def words_by_flag(words: list[str]) -> dict[str, list[str]]:
    """`--a x --b y z` as {"--a": ["x"], "--b": ["y", "z"]}."""
    found: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            current = found.setdefault(word, [])
        else:
            current.append(word)
    return found


def value(shape, given: list[str]):
    """What the words of one flag mean to a parameter of that shape."""
    if shape.type_name == "list" and shape.member.type_name == "structure":  # Name=x,Values=a,b
        return [_structure(text) for text in given]
    if shape.type_name == "list":
        return given
    (text,) = given
    casts = {"integer": int, "long": int, "double": float, "float": float}
    return casts.get(shape.type_name, str)(text)


def _structure(text: str) -> dict:
    """A filter as the shorthand syntax writes it: `Name=x,Values=a,b`."""
    name, _, values = text.partition(",")
    return {"Name": name.partition("=")[2], "Values": values.partition("=")[2].split(",")}


def configure(profile: str) -> None:
    """Ask for keys and region on stdin, and write them to ~/.aws."""
    answers = [sys.stdin.readline().strip() for _ in range(4)]
    folder = Path.home() / ".aws"
    folder.mkdir(exist_ok=True)
    section = profile if profile == "default" else f"profile {profile}"
    keys = f"aws_access_key_id = {answers[0]}\naws_secret_access_key = {answers[1]}\n"
    (folder / "credentials").write_text(f"[{profile}]\n{keys}")
    (folder / "config").write_text(f"[{section}]\nregion = {answers[2]}\n")


def main(words: list[str]) -> int:
    """One call; its answer goes to stdout as JSON."""
    flags = words_by_flag(words[1:] if words[0] == "configure" else words[2:])
    profile = flags.pop("--profile", [None])[0]
    if words[0] == "configure":
        configure(profile or "default")
        return 0
    region = flags.pop("--region", [None])[0]
    query = flags.pop("--query", [None])[0]
    plain = flags.pop("--output", ["json"]) == ["text"]
    client = boto3.session.Session(profile_name=profile).client(words[0], region_name=region)
    operation = next(n for n in client.meta.service_model.operation_names if xform_name(n, "-") == words[1])
    members = client.meta.service_model.operation_model(operation).input_shape.members
    names = {f"--{xform_name(name, '-')}": name for name in members}
    given = {names[flag]: value(members[names[flag]], words_) for flag, words_ in flags.items()}
    answer = getattr(client, xform_name(operation))(**given)
    answer.pop("ResponseMetadata", None)
    if query:
        answer = jmespath.search(query, answer)
    print(answer if plain else json.dumps(answer, default=str))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
