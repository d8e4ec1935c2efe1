"""Files go to a box and back with scp, sftp and rsync."""

import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def tree(tmp_path):
    """A folder with an empty file, a large one, a name with a space, and an executable."""
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "empty").touch()
    (tree / "large").write_bytes(os.urandom(3_000_000))
    (tree / "deep" / "a name").write_text("text\n")
    (tree / "deep" / "run").write_text("#!/bin/sh\n")
    (tree / "deep" / "run").chmod(0o755)
    return tree


def contents(folder):
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def remote(lab, path):
    return f"ubuntu@{lab.target[0]}:{path}"


@pytest.mark.parametrize("mode", [(), ("-O",)], ids=["sftp", "old"])
def test_scp_there_and_back(lab, tree, tmp_path, mode):
    """scp copies a tree with its modes both ways and exits 0, over SFTP and in the old protocol."""
    done = run("scp", *lab.options(), *mode, "-r", "-p", str(tree), remote(lab, "copy"))
    assert done.returncode == 0, done.stderr
    assert contents(lab.home / "copy") == contents(tree)
    done = run("scp", *lab.options(), *mode, "-r", "-p", remote(lab, "copy"), str(tmp_path / "back"))
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "back") == contents(tree)
    shutil.rmtree(lab.home / "copy")


@pytest.mark.parametrize("path", ["~/note", "note", "./note"])
@pytest.mark.parametrize("mode", [(), ("-O",)], ids=["sftp", "old"])
def test_scp_starts_in_the_home_folder(lab, tmp_path, path, mode):
    """A relative path and ~ mean the box's home folder."""
    (tmp_path / "note").write_text("hello")
    done = run("scp", *lab.options(), *mode, str(tmp_path / "note"), remote(lab, path))
    assert done.returncode == 0, done.stderr
    assert (lab.home / "note").read_text() == "hello"
    (lab.home / "note").unlink()


@pytest.mark.parametrize("mode", [(), ("-O",)], ids=["sftp", "old"])
def test_scp_of_a_missing_file_fails(lab, tmp_path, mode):
    """A file that is not there makes scp fail, and say so."""
    done = run("scp", *lab.options(), *mode, remote(lab, "missing"), str(tmp_path))
    assert done.returncode == 1
    assert "No such file" in done.stderr


def test_scp_of_an_absolute_path(lab, tmp_path):
    """An absolute path is the machine's own."""
    (tmp_path / "source").write_text("hello")
    done = run("scp", *lab.options(), remote(lab, tmp_path / "source"), str(tmp_path / "target"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "target").read_text() == "hello"


def test_sftp(lab, tmp_path):
    """sftp starts in the home folder, lists, renames, links and removes."""
    (tmp_path / "up").write_text("hello")
    batch = tmp_path / "batch"
    batch.write_text(
        f"pwd\nmkdir folder\ncd folder\nput {tmp_path}/up\nrename up there\nln -s there link\nls -l\n"
        f"get there {tmp_path}/down\nchmod 600 there\nrm there\nrm link\ncd ..\nrmdir folder\n"
    )
    done = run("sftp", *lab.options(), "-b", str(batch), f"ubuntu@{lab.target[0]}")
    assert done.returncode == 0, done.stderr
    assert f"Remote working directory: {lab.home}" in done.stdout
    assert (tmp_path / "down").read_text() == "hello"
    assert "ubuntu" in done.stdout  # the owner, in ls -l
    assert not (lab.home / "folder").exists()


def test_a_large_file_over_sftp(lab, tmp_path):
    """20 MB arrive unharmed."""
    (tmp_path / "large").write_bytes(os.urandom(20_000_000))
    assert run("scp", *lab.options(), str(tmp_path / "large"), remote(lab, "large")).returncode == 0
    assert (lab.home / "large").read_bytes() == (tmp_path / "large").read_bytes()


@pytest.mark.skipif(not shutil.which("rsync"), reason="this machine has no rsync")
def test_rsync_there_and_back(lab, tree, tmp_path):
    """rsync copies both ways, sends only what changed, and deletes what is gone."""
    shell = " ".join(f"'{word}'" for word in ["ssh", *lab.options()])
    for source, target in ((f"{tree}/", remote(lab, "synced/")), (remote(lab, "synced/"), f"{tmp_path}/back/")):
        done = run("rsync", "-a", "-e", shell, source, target)
        assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "back") == contents(tree) == contents(lab.home / "synced")
    (tree / "empty").unlink()
    (tree / "new").write_text("new")
    done = run("rsync", "-a", "-i", "--delete", "-e", shell, f"{tree}/", remote(lab, "synced/"))
    assert {line.split()[-1] for line in done.stdout.splitlines()} - {"./"} == {"empty", "new"}
    assert contents(lab.home / "synced") == contents(tree)


def test_a_program_whose_output_nobody_reads_any_more_ends(lab):
    """As with sshd, `ssh BOX yes | head -1` ends: the client says that nobody reads, and the program gets SIGPIPE."""
    with subprocess.Popen(lab.command("yes"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as ssh:
        assert ssh.stdout.read(2) == b"y\n"
        ssh.stdout.close()
        try:
            assert ssh.wait(timeout=30) == 255  # ssh's code where a signal ended the program
        finally:
            ssh.kill()


def test_a_program_may_outlive_its_readers(lab):
    """Only stdout is closed: what comes after the program that wrote there runs, and its exit code arrives."""
    command = "trap '' PIPE; yes 2>/dev/null; exit 5"
    with subprocess.Popen(lab.command(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as ssh:
        assert ssh.stdout.read(2) == b"y\n"
        ssh.stdout.close()
        try:
            assert ssh.wait(timeout=30) == 5
        finally:
            ssh.kill()
