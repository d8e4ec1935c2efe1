"""One launch asked for until AWS answers, and the user who goes before it does."""

import sys
from dataclasses import replace
from itertools import count

import pytest

from spotbox.aws.asking import Question, ask
from spotbox.commands._leave import Mine
from spotbox.core.boxes import Box
from spotbox.core.errors import Ended
from spotbox.core.hunt import InFlight
from spotbox.core.states import State
from tests.aws.stubs import World
from tests.core.worlds import offer, wish


@pytest.mark.parametrize("cut", [KeyboardInterrupt(), Ended("SIGTERM")])
def test_who_goes_before_aws_answers_leaves_a_launch_in_flight(cut):
    """The call was sent, so AWS may launch all the same; what ended the wait is its cause."""

    def send(generation):
        raise cut

    with pytest.raises(InFlight) as gone:
        ask(World().hands, Question(wish(), offer(), 0.0, 60.0), send)
    assert gone.value.__cause__ is cut


def cut_at(step):
    """Ctrl-C at the `step`-th instruction after AWS's answer: what is known then, or None where it came too late."""
    mine = Mine(Box("dev", "alice", "eu-west-1", State.STARTING, "", None, None), ["eu-west-1"])
    hands, left = replace(World().hands, answered=mine.answered), step

    def count_down(frame, event, arg):
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if not left:
                raise KeyboardInterrupt
        return count_down

    def send(generation):
        frame = sys._getframe()
        while frame.f_code is not cut_at.__code__:  # those that run already
            frame.f_trace, frame.f_trace_opcodes = count_down, True
            frame = frame.f_back
        sys.settrace(count_down)
        return "i-1"

    try:
        ask(hands, Question(wish(), offer(), 0.0, 60.0), send)
    except InFlight:
        return "asked"
    except KeyboardInterrupt:
        return mine.instance_id, mine.adopted, mine.box.region
    finally:
        sys.settrace(None)
    return None


def test_no_moment_lies_between_the_answer_and_its_note():
    """At whatever instruction after AWS's answer the user goes: it was asked for, or it is known what was launched."""
    seen = []
    for step in count(1):
        known = cut_at(step)
        if known is None:
            break
        assert known in ("asked", ("i-1", False, "us-east-1"))
        seen.append(known)
    assert len(seen) > 50
