"""botocore's data files, quick to read: service models are kept cut to what is called, which is read in no time.

EC2's model has four megabytes, most of which tells how to document it: it takes 80 ms of a processor to unpack and
read, its cut 3 ms. A cut is kept for exactly one file of one botocore: the next one is cut anew.
"""

import gzip
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import botocore
from botocore.loaders import JSONFileLoader

from spotbox import __version__
from spotbox.store import Store

_PARTS = {"metadata", "operations", "shapes"}  # of every model


class PlainFiles(JSONFileLoader):
    """Reads models into plain dicts, which keep their order too; EC2's four megabytes take half as long."""

    def load_file(self, file_path: str) -> Any:
        """What the file holds, packed or not; None where there is none."""
        for ending, unpacked in ((".json", bytes), (".json.gz", gzip.decompress)):
            with suppress(FileNotFoundError):
                return json.loads(unpacked(Path(file_path + ending).read_bytes()))
        return None


class KeptFiles(PlainFiles):
    """Reads service models from their cuts in `store`, and keeps there what it had to read whole.

    `called` names the operations of a service that are kept; of any other service all are.
    """

    def __init__(self, store: Store, called: Mapping[str, Collection[str]]):
        self._store = store
        self._called = called

    def load_file(self, file_path: str) -> Any:
        """What the file holds, a service's model perhaps cut; None where there is no such file."""
        path = Path(file_path)
        if path.name != "service-2":
            return super().load_file(file_path)
        service = path.parts[-3]  # .../ec2/2016-11-15/service-2
        called = self._called.get(service)
        of = [__version__, botocore.__version__, *_stamp(file_path), *sorted(called or ())]
        if (model := _kept(self._store.read(f"model-{service}"), of)) is not None:
            return model
        whole = super().load_file(file_path)
        if isinstance(whole, dict) and whole.keys() >= _PARTS:
            self._store.update(f"model-{service}", lambda _: _entry(cut(whole, called), of))
        return whole


def _entry(model: dict[str, Any], of: list[Any]) -> dict[str, Any]:
    """A model as it is kept: its text, with a digest, as what calls are made by must not have been altered."""
    text = json.dumps(model, separators=(",", ":"))
    return {"of": of, "sha256": sha256(text.encode()).hexdigest(), "model": text}


def _kept(entry: Mapping[str, Any], of: list[Any]) -> Any:
    """The model of an entry, if it is one of this file and whole; else None."""
    text = entry.get("model")
    if entry.get("of") != of or not isinstance(text, str):
        return None
    digest = sha256(text.encode(errors="replace")).hexdigest()
    return json.loads(text) if digest == entry.get("sha256") else None


def cut(model: Mapping[str, Any], called: Collection[str] | None) -> dict[str, Any]:
    """A service's model with these operations (None: with all), the shapes they use, and no texts on either."""
    operations = {name: one for name, one in model["operations"].items() if called is None or name in called}
    shapes: dict[str, Any] = {}
    known = model["shapes"].keys()  # a model of the user's own may name one that it has not, and nobody asks for
    todo = set(_shapes_of(operations)) & known
    while todo:
        name = todo.pop()
        shapes[name] = model["shapes"][name]
        todo |= (set(_shapes_of(shapes[name])) & known) - shapes.keys()
    in_order = {name: shapes[name] for name in model["shapes"] if name in shapes}
    return {**model, "operations": _undocumented(operations), "shapes": _undocumented(in_order)}


def _stamp(file_path: str) -> list[Any]:
    """What tells a file from its next version: path, size, and nanoseconds of its last change; of none nothing."""
    for ending in (".json", ".json.gz"):
        with suppress(OSError):
            found = Path(file_path + ending).stat()
            return [file_path + ending, found.st_size, found.st_mtime_ns]
    return []


def _shapes_of(part: Any) -> Iterator[str]:
    """The names of the shapes that a part of a model refers to: `"shape": NAME`, at any depth."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "shape" and isinstance(value, str):
                yield value
            else:
                yield from _shapes_of(value)
    elif isinstance(part, list):
        for value in part:
            yield from _shapes_of(value)


def _undocumented(part: Any) -> Any:
    """A part of a model without its texts; a member that is itself called `documentation` is no text."""
    if isinstance(part, dict):
        text = "documentation" if isinstance(part.get("documentation"), str) else None
        return {key: _undocumented(value) for key, value in part.items() if key != text}
    return [_undocumented(value) for value in part] if isinstance(part, list) else part
