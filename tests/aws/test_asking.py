"""One launch asked for until AWS answers, and the user who goes before it does."""

import pytest

from spotbox.aws.asking import Question, ask
from spotbox.core.errors import Ended
from spotbox.core.hunt import InFlight
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
