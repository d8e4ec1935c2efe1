"""The fakes are in step with what they stand for."""

import inspect

import pytest

from spotbox.app import App
from spotbox.aws.apply import _APPLY
from spotbox.aws.cloud import Cloud
from spotbox.core.boxes import assemble
from spotbox.core.states import State
from spotbox.prompts import Prompts
from spotbox.system import System
from tests.commands.effects import EFFECTS
from tests.commands.fakecloud import FakeCloud
from tests.commands.fakes import FakeApp, FakeSystem, ScriptedPrompts
from tests.commands.world import RAW, World


def verbs(kind):
    """Public methods with their parameters' names, kinds and defaults."""
    found = {}
    for name, thing in inspect.getmembers(kind):
        if not name.startswith("_") and callable(thing):
            parameters = inspect.signature(thing).parameters.values()
            found[name] = [(p.name, p.kind, p.default) for p in parameters]
    return found


@pytest.mark.parametrize(("fake", "real"), [(FakeCloud, Cloud), (FakeSystem, System), (ScriptedPrompts, Prompts)])
def test_a_fake_has_the_verbs_of_the_real_thing(fake, real):
    """Same public methods, same parameters: a verb that changes must change in the fake too."""
    assert verbs(fake) == verbs(real)


def test_every_step_has_an_effect():
    """A step that apply knows has its effect in the World."""
    assert set(EFFECTS) == set(_APPLY)


def test_the_app_of_fakes_is_an_app():
    """Only what reaches out of the process is replaced."""
    assert set(vars(FakeApp)) - {"__init__", "__module__", "__doc__"} <= set(vars(App))


@pytest.mark.parametrize("state", [*RAW, "kept"])
def test_has_box_makes_the_state_that_it_says(state):
    """The raw records of a state derive to that state."""
    world = World()
    world.has_box("dev", state)
    (box,) = assemble(FakeCloud(world).observe(["us-east-1"]).sights[0])
    assert box.state == state
    assert set(RAW) | {"kept"} == {str(s) for s in State}
