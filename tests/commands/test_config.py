"""`spotbox config`: where each setting comes from, where the file is, and a file by questions."""

import os
import stat
import tomllib

import pytest

from spotbox.cli import run
from spotbox.options import KNOWN_FLAGS
from tests.commands.world import public_key

CONFIG = """\
[defaults]
region = "eu-west-1"
max-price = "60%"
env = ["TOKEN=verysecret"]

[pool.big]
instance-type = ["g5.xlarge", "ml.g5.xlarge"]
max-boxes = 2

[pool.dear]
market = "on-demand"
gpu = "A10G\\u001b[31m"
"""


@pytest.fixture
def kept(user):
    """A user with a config file."""
    user.home.mkdir(exist_ok=True)
    (user.home / "config.toml").write_text(CONFIG)
    return user


def setting(said, name, pool=None):
    """Value and source of one row."""
    (row,) = [r for r in said.json if (r["setting"], r["pool"]) == (name, pool)]
    assert tuple(row) == ("pool", "setting", "value", "source", "file")
    return row["value"], row["source"]


def test_every_source(kept, monkeypatch):
    """Variable over pool over [defaults] over built-in, each named; what is not set is null."""
    monkeypatch.setenv("SPOTBOX_DISK_SIZE", "300")
    said = kept.run("config", "-o", "json")
    assert setting(said, "disk-size") == ("300", "SPOTBOX_DISK_SIZE")
    assert setting(said, "max-price") == ("60%", "[defaults]")
    assert setting(said, "region") == (["eu-west-1"], "[defaults]")
    assert setting(said, "ami") == ("dlami", "built-in")
    assert setting(said, "wait") == ("15m", "built-in")
    assert setting(said, "key") == (None, None)
    assert setting(said, "owner") == (None, "AWS identity")
    assert setting(said, "market", "dear") == ("on-demand", "[pool.dear]")
    assert setting(said, "max-boxes", "big") == ("2", "[pool.big]")
    assert setting(said, "instance-type", "big") == (["g5.xlarge", "ml.g5.xlarge"], "[pool.big]")
    assert {r["file"] for r in said.json if (r["source"] or "").startswith("[")} == {str(kept.home / "config.toml")}


def test_the_settings_of_training_jobs(kept, monkeypatch):
    """The flags of `train` are settings like all others, and their variables are read; a remark comes once."""
    (kept.home / "config.toml").write_text('[defaults]\nimage = "pytorch"\nrole = "trainer"\n')
    for name, value in {"OUTPUT_PATH": "s3://mine/out", "MAX_PRICE": "much", "NOTICE": "2m"}.items():
        monkeypatch.setenv(f"SPOTBOX_{name}", value)
        kept.env[f"SPOTBOX_{name}"] = value
    said = kept.run("config", "-o", "json")
    assert setting(said, "image") == ("pytorch", "[defaults]")
    assert setting(said, "output-path") == ("s3://mine/out", "SPOTBOX_OUTPUT_PATH")
    assert setting(said, "notice") == ("2m", "SPOTBOX_NOTICE")
    assert setting(said, "max-run") == ("1d", "built-in")
    assert "is no variable" not in said.err
    assert said.err.count("SPOTBOX_MAX_PRICE: ") == 1
    assert {row["setting"] for row in said.json} >= KNOWN_FLAGS


def test_with_a_pool(kept, monkeypatch):
    """--pool shows what `up --pool` would have: its own types, its market, and no maximum price on demand."""
    said = kept.run("config", "show", "--pool", "big", "-o", "json")
    assert setting(said, "instance-type") == (["g5.xlarge"], "[pool.big]")
    assert setting(said, "max-price") == ("60%", "[defaults]")
    assert (setting(said, "market"), setting(said, "max-boxes")) == (("spot", "built-in"), ("2", "[pool.big]"))
    dear = kept.run("config", "--pool", "dear", "-o", "json")
    assert (setting(dear, "market"), setting(dear, "max-price")) == (
        ("on-demand", "[pool.dear]"), ("on-demand", "built-in")
    )  # fmt: skip
    assert setting(dear, "pool") == ("dear", "--pool")
    monkeypatch.setenv("SPOTBOX_POOL", "big")
    assert setting(kept.run("config", "-o", "json"), "pool") == ("big", "SPOTBOX_POOL")
    assert setting(kept.run("config", "-o", "json", "--pool", "dear"), "pool") == ("dear", "--pool")
    assert kept.run("config", "--pool", "dera").code == 2


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION", "SPOTBOX_REGION"])
def test_the_region_by_the_contracts_order(kept, monkeypatch, name):
    """AWS's own variables go over the file, and in the sandbox they play no part."""
    monkeypatch.setenv(name, "us-west-2")
    kept.env[name] = "us-west-2"
    assert setting(kept.run("config", "-o", "json"), "region") == (["us-west-2"], name)
    inside = setting(kept.run("config", "-o", "json", sandbox=True), "region")
    assert inside == ((["us-west-2"], name) if name == "SPOTBOX_REGION" else (["eu-west-1"], "[defaults]"))


def test_it_says_what_up_does(kept, monkeypatch):
    """The value that is shown is the one that `up` takes: the two read it by the same code."""
    monkeypatch.setenv("SPOTBOX_INSTANCE_TYPE", "g5.xlarge")
    assert setting(kept.run("config", "-o", "json"), "instance-type") == (["g5.xlarge"], "SPOTBOX_INSTANCE_TYPE")
    assert "g5.xlarge in eu-west-1" in kept.run("up", "-y", "--dry-run").out


def test_the_table(kept, monkeypatch):
    """Settings and pools in tables; the file, and what is not set, beside it; nothing raw, no secret."""
    monkeypatch.setenv("SPOTBOX_MAX_PRICE", "50%")
    said = kept.run("config")
    lines = [line.split() for line in said.out.splitlines()]
    assert ["max-price", "50%", "SPOTBOX_MAX_PRICE"] in lines
    assert ["big", "market", "spot"] in lines
    assert ["instance-type", "g5.xlarge,", "ml.g5.xlarge"] in lines
    assert f"config file: {kept.home}/config.toml\n" in said.err
    assert "not set: zone" in said.err
    assert "\x1b" not in said.out
    assert "verysecret" not in said.out + said.err + kept.run("config", "-o", "json").out


def test_csv(kept):
    """A header and a row for each setting."""
    assert kept.run("config", "-o", "csv").out.splitlines()[0] == "pool,setting,value,source,file"


def test_a_variable_that_nothing_reads(kept):
    """A misspelt variable is told with the nearest; a value that its flag does not take too."""
    kept.env |= {"SPOTBOX_MAX_PRISE": "1", "SPOTBOX_DRY_RUN": "1", "SPOTBOX_SANDBOX": "0", "SPOTBOX_YES": "1"}
    said = kept.run("config").err
    assert "SPOTBOX_MAX_PRISE is no variable of spotbox's (did you mean SPOTBOX_MAX_PRICE?)\n" in said
    assert said.count("is no variable") == 2  # the other is SPOTBOX_YES: a consent is given each time


def test_a_variable_that_its_flag_refuses(kept, monkeypatch):
    """The remark names the variable; the rest is shown."""
    monkeypatch.setenv("SPOTBOX_DISK_SIZE", "huge")
    said = kept.run("config")
    assert said.code == 0
    assert "SPOTBOX_DISK_SIZE: " in said.err


def test_a_broken_file(kept):
    """`show` says what is wrong; `path` works all the same; `init` leaves it alone."""
    (kept.home / "config.toml").write_text("[defaults\n")
    assert kept.run("config").code == 2
    assert kept.run("config", "path").out == f"{kept.home}/config.toml\n"
    assert kept.run("config", "init", answers=[]).code == 2
    assert (kept.home / "config.toml").read_text() == "[defaults\n"


def test_a_value_of_another_commands_flag_is_checked(kept):
    """`show` reads the file as every command would."""
    (kept.home / "config.toml").write_text('[pool.a]\nsort = "nonsense"\n')
    said = kept.run("config")
    assert (said.code, "[pool.a] sort: " in said.err) == (2, True)


def test_path(user, tmp_path):
    """The usual place, or that of --config; whether it is there is told."""
    said = user.run("config", "path")
    assert said.out == f"{user.home}/config.toml\n"
    assert "there is none yet; make one with: spotbox config init\n" in said.err
    assert user.run("config", "path", "--config", str(tmp_path / "x.toml")).out == f"{tmp_path}/x.toml\n"


QUESTIONS = ("Region", "Instance types", "Maximum price", "Disk", "Stop when idle", "SSH public key")


def answers(*values, write=True):
    """What is typed to the questions, and to the last one."""
    return [*zip(QUESTIONS, values, strict=True), ("Write", write)]


def test_init_asks_and_writes(user):
    """A new file with the answers, for its owner alone; comments say the rest; built-in defaults are not written."""
    said = user.run("config", "init", answers=answers("eu-west-1", "g5.xlarge, g6.xlarge", "60%", ..., "2h", ...))
    assert said.code == 0, said.err
    file = user.home / "config.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert tomllib.loads(file.read_text()) == {
        "defaults": {
            "region": "eu-west-1", "instance-type": ["g5.xlarge", "g6.xlarge"], "max-price": "60%", "idle-stop": "2h"
        }
    }  # fmt: skip
    assert '  region = "eu-west-1"\n' in said.err
    assert said.out == ""
    assert setting(user.run("config", "-o", "json"), "max-price") == ("60%", "[defaults]")


def test_init_changes_a_file(kept):
    """The difference is shown, the old file is kept, pools and what was not asked stay."""
    key = kept.home / "id.pub"
    key.write_text(public_key())
    said = kept.run("config", "init", answers=answers(..., "A10G", "on-demand", "200", ..., str(key)))
    assert said.code == 0, said.err
    assert '  -max-price = "60%"\n' in said.err
    assert '  +gpu = "A10G"\n' in said.err
    assert "verysecret" not in said.err  # which stands in the line below
    new = tomllib.loads((kept.home / "config.toml").read_text())
    assert new["pool"] == tomllib.loads(CONFIG)["pool"]
    assert new["defaults"] == {
        "region": "eu-west-1", "env": ["TOKEN=verysecret"], "gpu": "A10G",
        "disk-size": "200", "key": str(key),
    }  # fmt: skip
    assert (kept.home / "config.toml.bak").read_text() == CONFIG


def test_init_leaves_windows_its_line_ends(kept):
    """A file with a byte order mark and CRLF is read, changed in its own way, and kept as it was, to the byte."""
    file, old = kept.home / "config.toml", b"\xef\xbb\xbf" + CONFIG.replace("\n", "\r\n").encode()
    file.write_bytes(old)
    assert setting(kept.run("config", "-o", "json"), "max-price") == ("60%", "[defaults]")
    said = kept.run("config", "init", answers=answers("us-east-1", ..., ..., ..., ..., ...))
    assert said.code == 0, said.err
    assert file.with_name("config.toml.bak").read_bytes() == old
    new = file.read_bytes()
    assert (new.count(b"\r\n"), b'region = "us-east-1"\r\n' in new) == (new.count(b"\n"), True)


@pytest.mark.parametrize("before", ["", CONFIG], ids=["none", "one"])
def test_init_in_two_terminals(user, before):
    """What another terminal wrote while the questions were answered is not written over."""
    file = user.home / "config.toml"
    user.home.mkdir(exist_ok=True)
    if before:
        file.write_text(before)

    late = type("Late", (), {"__bool__": lambda _: bool(file.write_text("# the other's\n"))})  # Yes, after a while
    said = user.run("config", "init", answers=answers("us-west-2", ..., ..., ..., ..., ..., write=late()))
    assert (said.code, "was changed meanwhile" in said.err) == (1, True)
    assert file.read_text() == "# the other's\n"


def test_init_twice_changes_nothing(kept):
    """What is in the file is what is proposed."""
    said = kept.run("config", "init", answers=answers(..., ..., ..., ..., ..., ...)[:-1])
    assert (said.code, "says so already" in said.err) == (0, True)
    assert (kept.home / "config.toml").read_text() == CONFIG


def test_no_leaves_the_file(kept):
    """The answer no writes nothing."""
    said = kept.run("config", "init", answers=answers("us-east-1", ..., ..., ..., ..., ..., write=False))
    assert (said.code, (kept.home / "config.toml").read_text()) == (1, CONFIG)
    assert not (kept.home / "config.toml.bak").exists()


def test_init_without_a_terminal(user):
    """A usage error without -y; with it a sample that sets nothing, once."""
    said = user.run("config", "init")
    assert (said.code, "-y" in said.err, (user.home / "config.toml").exists()) == (2, True, False)
    assert user.run("config", "init", sandbox=True).code == 2
    assert user.run("config", "init", "-y").code == 0
    assert tomllib.loads((user.home / "config.toml").read_text()) == {"defaults": {}}
    (user.home / "config.toml").write_text("# mine\n")
    again = user.run("config", "init", "-y")
    assert (again.code, "there is a config file already" in again.err) == (1, True)
    assert (user.home / "config.toml").read_text() == "# mine\n"


def test_init_writes_through_a_link(user, tmp_path):
    """A config file that is a link to one's dotfiles stays a link."""
    user.home.mkdir()
    (tmp_path / "dotfile").write_text(CONFIG)
    (user.home / "config.toml").symlink_to(tmp_path / "dotfile")
    assert user.run("config", "init", answers=answers("us-east-1", ..., ..., ..., ..., ...)).code == 0
    assert (user.home / "config.toml").is_symlink()
    assert 'region = "us-east-1"' in (tmp_path / "dotfile").read_text()


@pytest.mark.parametrize(("question", "answer"), [
    ("Instance types", "g5.xlarge, A10G"), ("Instance types", "A10G, L4"), ("Instance types", "g5."),
    ("Maximum price", "cheap"), ("Disk", "-1"), ("Stop when idle", "2"), ("SSH public key", "/nope"),
])  # fmt: skip
def test_an_answer_that_means_nothing(user, question, answer):
    """Each question refuses what its flag would refuse."""
    typed = [answer if name == question else ... for name in QUESTIONS]
    with pytest.raises(BaseException, match=r".") as told:
        user.run("config", "init", answers=answers(*typed))
    assert answer in str(told.value)


def test_a_mistyped_subcommand(user):
    """The nearest is named."""
    said = user.run("config", "shwo")
    assert (said.code, "'show'" in said.err) == (2, True)


def test_help_of_the_group(capsys):
    """`spotbox config -h` is about the group, not about `show`."""
    assert run(["config", "-h"]) == 0
    assert "spotbox config init" in capsys.readouterr().out
    assert os.environ.get("SPOTBOX_POOL") is None
