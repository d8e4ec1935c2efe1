"""`train` explains itself: help, completion, and its page."""

from pathlib import Path

import click

from spotbox.commands.train import run


def test_completion():
    """The path and the commands, then the flags of each."""
    from spotbox.complete import offers
    from spotbox.shape import shape

    known = shape()

    def offered(*words):
        return [value for _, value, _ in offers(known, ["train", *words[:-1]], words[-1], {})]

    assert offered("") == ["list", "status", "stop", ""]
    assert offered("./fit.py", "--tor") == ["--torchrun"]
    assert offered("--ima") == ["--image"]
    assert offered("status", "--fol") == ["--follow"]
    assert "run" not in offered("r")


def test_every_flag_is_documented():
    """Each long flag of `train` stands on its page, and the SDKs' names beside it."""
    section = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    common = {"--help", "--version", "--verbose", "--sandbox", "--config", "--profile", "--region", "--yes"}
    flags = {o for p in run.params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")}
    assert {flag for flag in flags - common if flag not in section} == set()
    for name in SDK_NAMES:
        assert name in section, name


SDK_NAMES = (
    "max_run", "train_max_run", "max_wait", "train_max_wait", "use_spot_instances", "checkpoint_s3_uri",
    "enable_managed_spot_training", "max_runtime_in_seconds", "max_wait_time_in_seconds", "train_use_spot_instances",
    "instance_count", "train_instance_count",
)  # fmt: skip


def test_help(user):
    """`train` alone shows its help, names the SDKs' names, and its three commands."""
    said = user.run("train")
    for name in SDK_NAMES:
        assert name in said.err, name
    said = user.run("train", "--help")
    assert said.code == 0
    assert said.out.startswith("Usage: spotbox train [OPTIONS] SCRIPT|DIR\n")
    assert [line.split()[0] for line in said.out[said.out.index("Commands:") :].splitlines()[1:]] == [
        "status", "list", "stop",
    ]  # fmt: skip
    assert "Usage: spotbox train status" in user.run("train", "status", "--help").out
