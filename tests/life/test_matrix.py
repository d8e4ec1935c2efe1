"""The crash matrix: killed at any instant, `down` leaves nothing, and the same command again completes one box.

The whole of it: pytest -m matrix --dist load
"""

import random

import pytest

from tests.life.matrix import COMMANDS, Case, calls_of, cases_of, play, play_life

SHARDS = 6
LIVES = (1,)  # seeds of the sample


@pytest.mark.parametrize("seed", LIVES)
@pytest.mark.slow
def test_a_life_in_which_everything_is_killed_once(drive, seed):
    """Every command is killed at a call drawn by lot; run again it completes the one box, and `down` leaves nothing."""
    for line in play_life(drive, random.Random(seed)):
        print(line)


@pytest.mark.parametrize(("action", "when"), [("ImportKeyPair", "after"), ("RunInstances", "after")])
def test_a_killed_up_is_removed(drive, action, when):
    """`up` killed between its steps, and `down` at once: nothing is left, not so much as a key."""
    play(drive, Case("up", 1, when, again=False, action=action))


MOVES = [
    Case("move", 1, "after", again=True, action="CancelSpotInstanceRequests"),
]


MORE_MOVES = [
    Case("move", 1, "after", again=True, action="RunInstances"),
    Case("move", 1, "after", again=True, action="CreateImage"),
    Case("move away", 1, "after", again=False, action="CopyImage"),
    Case("move away", 1, "after", again=True, action="TerminateInstances"),
    Case("move away", 1, "before", again=True, action="DeleteSnapshot"),
]


@pytest.mark.parametrize(
    "case", [*MOVES, *(pytest.param(case, marks=pytest.mark.slow) for case in MORE_MOVES)], ids=str
)
def test_a_killed_move(drive, case):
    """Old or new is whole; the second run leaves the box elsewhere and nothing else, and `down` leaves nothing."""
    assert play(drive, case)


@pytest.mark.matrix
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("command", COMMANDS)
def test_every_call_of_every_command(drive, command, shard):
    """Every call of the command, before and after it took effect, then `down` or the same again and `down`."""
    broken, played = [], 0
    for number, case in enumerate(cases_of(command, calls_of(drive, command))):
        if number % SHARDS != shard:
            continue
        try:
            played += play(drive, case)
        except AssertionError as error:
            broken.append(str(error))
    print(f"{command}, shard {shard}: {played} cases, {len(broken)} broken")
    assert not broken, "\n\n".join(broken)
