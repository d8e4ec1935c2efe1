"""The folder is the layer: an import may only go down."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "spotbox"
# What each layer may import from spotbox. cli -> commands -> app -> helpers and aws -> core -> stdlib.
LEAVES = {"core", "resources", "__init__"}
HELPERS = {
    *(
        "output",
        "width",
        "prompts",
        "progress",
        "charts",
        "screen",
        "config",
        "packing",
        "recall",
        "system",
        "resources",
    ),
}
MAY = {
    "core": {"core", "__init__"},
    "resources": set(),
    "width": set(),
    "output": LEAVES | {"width"},
    "prompts": LEAVES | {"width"},
    "progress": LEAVES | {"width"},
    "config": LEAVES,
    "packing": LEAVES,
    "screen": LEAVES | {"width"},
    "system": LEAVES,
    "signals": LEAVES,
    "charts": LEAVES | {"width"},
    "store": set(),  # the standard library alone
    "complete": LEAVES | {"config", "recall", "shape"},
    "shape": {"cli", "defaults"},
    "recall": LEAVES | {"config", "store"},
    "defaults": LEAVES,
    "options": LEAVES | {"config", "defaults"},
    "aws": {"aws", "core", "store", "__init__"},
    "sandbox": {"sandbox", "core", "resources", "__init__"},
    "app": HELPERS | LEAVES | {"aws", "sandbox", "store", "options"},
    "commands": HELPERS | LEAVES | {"app", "defaults", "options", "commands", "aws", "sandbox"},
    "cli": HELPERS | LEAVES | {"complete", "signals", "app", "options", "commands"},
    "__main__": {"cli", "complete"},
    "__init__": set(),
}
ONLY = {  # third-party package -> the layers that may import it
    "boto3": {"aws"},
    "botocore": {"aws", "sandbox"},  # the sandbox reads botocore's own model of EC2
    "moto": {"sandbox"},
    "flask": {"sandbox"},
    "werkzeug": {"sandbox"},
    "asyncssh": {"sandbox"},
    "questionary": {"prompts"},
    "prompt_toolkit": {"prompts"},
    "tabulate": {"output"},
    "wcwidth": {"width"},
    "click": {"cli", "commands", "options", "defaults", "shape", "app", "__main__"},
    "platformdirs": {"app", "config"},
    "pathspec": {"packing"},
}
IMPURE = {"os", "subprocess", "socket", "time", "random", "tempfile", "urllib", "http", "threading", "sys"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer(path: Path) -> str:
    part = path.relative_to(PACKAGE).parts[0]
    return part.removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_go_down(path):
    """No module imports a layer above its own, nor a library that belongs to another layer."""
    mine = layer(path)
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "spotbox":
            target = rest[0] if rest and rest[0] in MAY else "__init__"
            assert target in MAY[mine] or target == mine, f"{path} ({mine}) imports {name}"
            if target == "sandbox" and mine == "commands":
                assert path.stem == "sandbox"
        elif top in ONLY:
            assert mine in ONLY[top], f"{path} ({mine}) imports {name}"
        elif mine == "core":
            assert top not in IMPURE, f"{path} imports {name}: core is pure"
    if mine == "commands":
        text = path.read_text()
        assert "boto3" not in text, f"{path} knows boto3"
