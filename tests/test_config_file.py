"""The config file and the folders it lies in: what a mistake in it says, and what is written."""

import os
from pathlib import Path

import pytest

from spotbox.config import find_places, read_config, write_private
from spotbox.core.errors import Exit, UsageError
from tests.probing import PRICES, Probed, told, value

pytestmark = pytest.mark.usefixtures("home")


def test_an_unknown_key_names_the_nearest(capsys, config):
    """A key that is no flag is an error with the nearest right one, whichever command runs."""
    config('[defaults]\ninstance_typ = "g5.xlarge"')
    code, err = told(capsys, "status")
    assert code == Exit.USAGE
    assert "[defaults] has no setting 'instance_typ' (did you mean instance-type?)" in err


def test_a_flag_of_another_command_is_known(config):
    """One file serves all commands: a flag that this one does not have is no error."""
    config('[defaults]\nsubnet = "subnet-1"\nkeep-data = true')
    assert value("disk") is None


@pytest.mark.parametrize("text", ["broken = [", "[defaults", "a = 1\na = 2", "\x00"])
def test_a_file_that_is_no_toml(capsys, config, home, text):
    """The file and the place are named, exit 2."""
    config(text)
    code, err = told(capsys, "status")
    assert code == Exit.USAGE
    assert f"{home}/config.toml is not valid TOML" in err


def test_a_file_nested_without_end(capsys, config):
    """Thousands of brackets are no valid TOML, and no bug of spotbox."""
    config(f"[defaults]\nregion = {'[' * 100_000}")
    code, err = told(capsys, "status")
    assert (code, "is not valid TOML" in err) == (Exit.USAGE, True)


def test_a_file_without_end(capsys, config, home):
    """What is larger than any config file is not read to its end."""
    (home / "config.toml").symlink_to("/dev/zero")
    code, err = told(capsys, "status")
    assert (code, "cannot read" in err, "File too large" in err) == (Exit.USAGE, True, True)


def test_a_pipe(home, capsys):
    """In the file's place nobody waits for a pipe; one that is named is read, as `--config <(...)` is."""
    os.mkfifo(home / "config.toml")
    code, err = told(capsys, "status")
    assert (code, "it is a pipe" in err) == (Exit.USAGE, True)
    reader, writer = os.pipe()
    os.write(writer, b"[defaults]\nregion = 'eu-west-1'\n")
    os.close(writer)
    assert read_config(Path(f"/dev/fd/{reader}"), named=True) == {"defaults": {"region": "eu-west-1"}}


def test_a_byte_order_mark(config):
    """A file that Windows' editor wrote is read like any other."""
    config("\ufeff[defaults]\ndisk-size = 300\n")
    assert value("disk") == 300


def test_a_file_that_is_no_utf8(capsys, home):
    """Latin-1 bytes are told as such."""
    (home / "config.toml").write_bytes(b"[defaults]\nregion = '\xe9'")
    assert told(capsys, "status")[0] == Exit.USAGE


def test_a_file_that_cannot_be_read(capsys, home):
    """A folder in its place is told, not crashed on."""
    (home / "config.toml").mkdir()
    code, err = told(capsys, "status")
    assert (code, "cannot read" in err) == (Exit.USAGE, True)


@pytest.mark.parametrize("path", ["/nonexistent/x.toml", "~no-such-user/x.toml"])
def test_a_named_file_that_is_not_there(capsys, path):
    """--config of a missing file is an error; the usual one may be missing."""
    code, err = told(capsys, "status", "--config", path)
    assert (code, "there is no config file" in err) == (Exit.USAGE, True)
    assert read_config(Path("/nonexistent/x.toml"), named=False) == {}


@pytest.mark.parametrize(
    "line",
    ['max-price = ["0.5", "0.6"]', "max-price = true", "disk-size = true", "wait = [1]", "region = ['a', 'b']",
     "zone = true", "sandbox = ['yes']", "disk-size = 'huge'", "wait = 5", "output = 'xml'"],
)  # fmt: skip
def test_a_value_of_the_wrong_form(config, line):
    """One value where one is meant, text where text is meant: else a usage error, never a crash later on."""
    config(f"[defaults]\n{line}")
    probed = Probed("probe")
    assert probed.values is None
    assert isinstance(probed.error, UsageError) or probed.code == Exit.USAGE


def test_every_pool_is_named_when_one_is_missing(config):
    """An unknown pool names the nearest."""
    config(PRICES)
    error = Probed("probe", "--pool", "baer").error
    assert isinstance(error, UsageError)
    assert "did you mean bare?" in error.message


def test_all_files_lie_under_spotbox_home(tmp_path):
    """SPOTBOX_HOME is the root of config, keys, cache and sandbox; ~ of a user that is not there is a plain name."""
    places = find_places({"SPOTBOX_HOME": str(tmp_path)})
    for path in (places.config, places.keys, places.cache, places.sandbox, places.ssh_config, places.known_hosts):
        assert tmp_path in (path, *path.parents)
    assert find_places({"SPOTBOX_HOME": "~no-such-user/x"}).data.is_absolute()


def test_a_private_file_is_written_whole(tmp_path):
    """0600 from the first byte, no draft left, and bytes that are no UTF-8 come back as they were read."""
    path = tmp_path / "sub" / "f"
    write_private(path, "one\n")
    assert path.stat().st_mode & 0o777 == 0o600
    odd = b"Host caf\xe9\n"
    write_private(path, odd.decode("utf-8", "surrogateescape"))
    assert path.read_bytes() == odd
    assert [p.name for p in path.parent.iterdir()] == ["f"]
