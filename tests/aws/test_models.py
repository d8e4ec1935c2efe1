"""Cuts of botocore's models: what is called works as with the whole, and nothing else is trusted."""

import json
import os
from pathlib import Path

import botocore
import botocore.session
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from spotbox.aws.models import KeptFiles, PlainFiles, cut
from spotbox.aws.sessions import EC2_OPERATIONS, QuickLoader
from spotbox.store import NoStore, Store
from tests.aws.endpoint import KEYS

DATA = Path(botocore.__file__).parent / "data"
EC2 = str(DATA / "ec2" / "2016-11-15" / "service-2")
STS = str(DATA / "sts" / "2011-06-15" / "service-2")


class Counted(Store):
    """A store that counts what is written."""

    writes = 0

    def update(self, name, change):
        self.writes += 1
        super().update(name, change)


def shape_of(shape, seen=frozenset()):
    """All that botocore reads of a shape, as plain values, down to where it comes round again."""
    if shape is None or shape.name in seen:
        return shape and shape.name
    seen |= {shape.name}
    inner = {name: shape_of(one, seen) for name, one in getattr(shape, "members", {}).items()}
    parts = [shape_of(getattr(shape, part), seen) for part in ("member", "key", "value") if hasattr(shape, part)]
    return (shape.name, shape.type_name, shape.serialization, shape.metadata, inner, parts)


@pytest.mark.parametrize(
    ("service", "called"), [("ec2", EC2_OPERATIONS), ("ssm", None), ("sts", {"GetCallerIdentity"})]
)
def test_a_cut_calls_as_the_whole_does(service, called):
    """Of each operation that is kept, input, output and errors are those of the whole model, to the last member."""
    model = Loader().load_service_model(service, "service-2")
    whole, kept = ServiceModel(model, service), ServiceModel(cut(model, called), service)
    assert set(kept.operation_names) == set(called or whole.operation_names)
    assert (kept.metadata, kept.service_id, kept.api_version) == (whole.metadata, whole.service_id, whole.api_version)
    for name in kept.operation_names:
        one, other = kept.operation_model(name), whole.operation_model(name)
        assert (one.http, one.has_streaming_output) == (other.http, other.has_streaming_output)
        for part in ("input_shape", "output_shape"):
            assert shape_of(getattr(one, part)) == shape_of(getattr(other, part))
        assert [shape_of(each) for each in one.error_shapes] == [shape_of(each) for each in other.error_shapes]


def test_a_member_called_as_a_keyword_is_no_keyword():
    """A member may be called `shape` or `documentation`; it stays, and what it refers to with it."""
    members = {"shape": {"shape": "A", "documentation": "why"}, "documentation": {"shape": "B"}}
    shapes = {"In": {"type": "structure", "members": members}, "A": {"type": "string"}, "B": {"type": "string"}}
    model = {"operations": {"Do": {"input": {"shape": "In"}}}, "shapes": {**shapes, "C": {"type": "string"}}}
    assert cut(model, {"Do"})["shapes"] == {
        **shapes, "In": {"type": "structure", "members": {"shape": {"shape": "A"}, "documentation": {"shape": "B"}}},
    }  # fmt: skip


def test_a_shape_that_a_model_has_not_is_nobodys_loss():
    """As with the whole of such a model, of AWS_DATA_PATH say: it is missed where it is asked for, and not before."""
    model = {"operations": {"Do": {"input": {"shape": "In"}, "output": {"shape": "Out"}}}, "shapes": {"In": {
        "type": "structure", "members": {"a": {"shape": "A"}}}}}  # fmt: skip
    assert cut(model, None) == model


def test_a_model_is_cut_once(tmp_path):
    """The first reading leaves a cut, a thirtieth of EC2's model, and the next reads that, with the same operations."""
    store = Counted(tmp_path)
    files = KeptFiles(store, {"ec2": EC2_OPERATIONS})
    assert len(files.load_file(EC2)["operations"]) > 700
    again = KeptFiles(store, {"ec2": EC2_OPERATIONS}).load_file(EC2)
    assert set(again["operations"]) == EC2_OPERATIONS
    assert store.writes == 1
    assert (tmp_path / "model-ec2.json").stat().st_size < 4_300_000 / 20
    assert files.load_file(EC2.replace("service-2", "paginators-1")) == PlainFiles().load_file(
        EC2.replace("service-2", "paginators-1")
    )
    assert files.load_file(str(tmp_path / "none" / "2020-01-01" / "service-2")) is None
    assert store.writes == 1


def test_a_cut_is_of_one_file_and_one_list(tmp_path):
    """Another file, a file that has changed, and another list of operations are read whole and cut anew."""
    store, folder = Counted(tmp_path / "cache"), tmp_path / "sts" / "2011-06-15"
    folder.mkdir(parents=True)
    whole = PlainFiles().load_file(STS)
    own = folder / "service-2.json"
    own.write_text(json.dumps(whole))
    kinds = [(STS, None), (str(folder / "service-2"), None), (str(folder / "service-2"), {"GetCallerIdentity"})]
    for writes, (path, called) in enumerate(kinds, 1):
        for _ in range(2):
            found = KeptFiles(store, {"sts": called} if called else {}).load_file(path)
            assert store.writes == writes
        assert set(found["operations"]) == (called or set(whole["operations"]))
    os.utime(own, ns=(1, 1))
    KeptFiles(store, {"sts": {"GetCallerIdentity"}}).load_file(str(folder / "service-2"))
    assert store.writes == 4


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"of": 1}', "edited", "no text"])
def test_a_damaged_cut_is_not_read(tmp_path, damage):
    """A file that is empty, torn, edited or of another make is replaced; where nothing can be written all works."""
    store = Store(tmp_path)
    files = KeptFiles(store, {})
    whole = files.load_file(STS)
    file = tmp_path / "model-sts.json"
    kept = json.loads(file.read_text())
    edited = {"edited": kept["model"].replace("2011-06-15", "2012-06-15"), "no text": {}}
    file.write_text(json.dumps({**kept, "model": edited[damage]}) if damage in edited else damage)
    assert files.load_file(STS) == whole
    assert json.loads(file.read_text()) == kept
    (tmp_path / "file").touch()
    for nowhere in (NoStore(), Store(tmp_path / "file")):
        assert KeptFiles(nowhere, {}).load_file(STS) == whole


def test_the_loader_takes_cuts(tmp_path):
    """A client of cut models has the methods of what is called, paginators and waiters among them."""
    loader = QuickLoader(file_loader=KeptFiles(Store(tmp_path), {"ec2": EC2_OPERATIONS}))
    for _ in range(2):
        session = botocore.session.Session()
        session.register_component("data_loader", loader)
        access, secret = KEYS
        client = session.create_client("ec2", "us-east-1", aws_access_key_id=access, aws_secret_access_key=secret)
        assert set(client.meta.service_model.operation_names) == EC2_OPERATIONS
        assert client.can_paginate("describe_instances")
        assert client.get_waiter("instance_running")
        loader = QuickLoader(file_loader=KeptFiles(Store(tmp_path), {"ec2": EC2_OPERATIONS}))
