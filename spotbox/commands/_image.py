"""Whether a box that exists was made of the image that an alias of `--ami` names: only AWS can tell."""

from dataclasses import replace

from spotbox.app import App
from spotbox.commands._inputs import Asked
from spotbox.core.boxes import Box
from spotbox.core.changes import anew
from spotbox.core.errors import SpotboxError, UsageError
from spotbox.core.images import is_named_as
from spotbox.core.records import Image
from spotbox.core.text import safe


def by_image(app: App, box: Box, asked: Asked) -> Asked:
    """What was asked of this box, less an alias that it was not made of, which is told. UsageError for a word that is
    no image."""
    if "ami" not in asked.typed or asked.ami.startswith("ami-") or box.instance is None or not box.instance.image_id:
        return asked
    less = replace(asked, typed=asked.typed - {"ami"})
    try:
        now = _now(app, box, asked.ami)
    except UsageError:
        raise
    except SpotboxError as error:
        app.remark(f"whether {box.name} was made of {asked.ami} could not be found out: {error.message}")
        return less
    if now.id == box.instance.image_id:
        return asked
    app.remark(_differs(app, box, box.instance.image_id, asked.ami, now))
    return less


def _now(app: App, box: Box, alias: str) -> Image:
    """The image that the alias names today, for the processors of the box's type."""
    kind = box.instance_type or ""
    types = app.cloud.instance_types(box.region, [kind]) if kind else {}
    arm = kind in types and "x86_64" not in types[kind].architectures
    image: Image = app.cloud.image(box.region, alias, "arm64" if arm else "x86_64")
    return image


def _differs(app: App, box: Box, made_of: str, alias: str, now: Image) -> str:
    try:
        old: Image | None = app.cloud.image(box.region, made_of, now.architecture)
    except SpotboxError:  # withdrawn since, or made by a move
        old = None
    if old is not None and is_named_as(old, alias) and old.created < now.created:
        what = f"{box.name} was made of {safe(old.name)} ({made_of}), and {alias} has moved on to {now.id} since"
    else:
        what = f"{box.name} was made of {made_of}, and {alias} is {now.id}: --ami counts at the first launch only"
    return f"{what}; {anew(box.name)}"
