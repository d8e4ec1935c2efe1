"""Hyperparameters as the framework images read them."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotbox.core.errors import UsageError
from spotbox.core.scriptmode import check_not_ours, check_program, check_torchrun, encoded, script_hyperparameters


def as_argument(sent):
    """What a script gets of a hyperparameter: JSON where it is, else the text (sagemaker-training-toolkit,
    read_hyperparameters), then str, a mapping as k=v,... (to_cmd_args)."""
    try:
        value = json.loads(sent)
    except ValueError:
        value = sent
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in sorted(value.items()))
    return "" if value is None else str(value)


@given(st.text() | st.from_regex(r"-?[0-9]{1,5}(\.[0-9]{1,4})?", fullmatch=True) | st.integers().map(str))
@example("true")
@example("null")
@example("1e-3")
@example("0.10")
@example("007")
@example("[1, 2]")
@example('{"a": 1}')
@example('"quoted"')
@example("NaN")
@example("٣")
@example("9" * 5000)
def test_a_script_gets_what_was_typed(text):
    """Whatever is typed reaches the script as that very text."""
    assert as_argument(encoded("k", text)) == text


@pytest.mark.parametrize(("typed", "sent"), [("3", "3"), ("0.5", "0.5"), ("-1", "-1"), ("adam", '"adam"'), ("", '""')])
def test_values_are_sent_as_the_sdk_sends_them(typed, sent):
    """Numbers as numbers, text as JSON strings."""
    assert encoded("k", typed) == sent


def test_what_configures_the_toolkit_is_sent_as_it_is():
    """`sagemaker_x=false` must not become a text, which would be true."""
    assert encoded("sagemaker_mpi_enabled", "false") == "false"
    assert encoded("sagemaker_mpi_custom_mpi_options", "-x A") == '"-x A"'


def test_the_script_is_named_to_the_image():
    """The five of script mode, and torchrun where it is asked for; the user's own among them."""
    own = (("epochs", "3"), ("opt", "adam"))
    plain = {
        "epochs": "3",
        "opt": '"adam"',
        "sagemaker_container_log_level": "20",
        "sagemaker_job_name": '"j"',
        "sagemaker_program": '"train.py"',
        "sagemaker_region": '"us-east-1"',
        "sagemaker_submit_directory": '"s3://b/x/sourcedir.tar.gz"',
    }
    made = script_hyperparameters("j", "us-east-1", "train.py", "s3://b/x/sourcedir.tar.gz", own)
    assert dict(made) == plain
    run = script_hyperparameters("j", "us-east-1", "train.py", "s3://b/x/sourcedir.tar.gz", own, torchrun=True)
    assert dict(run) == {**plain, "sagemaker_torch_distributed_enabled": "true"}


def test_ours_are_not_the_users():
    """A hyperparameter that spotbox sets is refused; others of the toolkit pass."""
    check_not_ours(["epochs", "sagemaker_mpi_enabled"])
    with pytest.raises(UsageError, match="sagemaker_program is not yours"):
        check_not_ours(["sagemaker_program"])


@pytest.mark.parametrize("name", ["my train.py", "-x.py", "/a.py", "../a.py", "a;b.py", "a.txt", "train", ""])
def test_a_program_that_no_image_starts_is_refused(name):
    """sagemaker-training-toolkit, validate_entry_point: letters, digits, . _ + - /, relative."""
    check_program("src/train_v2.py")
    with pytest.raises(UsageError):
        check_program(name)


def test_torchrun_starts_python_scripts():
    """No shell script, and none beside a setup.py, which makes it a package."""
    check_torchrun("train.py", ["train.py"])
    with pytest.raises(UsageError, match="not run"):
        check_torchrun("run.sh", [])
    with pytest.raises(UsageError, match="package"):
        check_torchrun("train.py", ["setup.py"])
