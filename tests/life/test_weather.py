"""Whole lives of a box through bad weather: a fifth of the calls throttled, connections that break, what was just made
not shown for up to 3 s, slow answers.

All fifty: pytest -m weather -s
"""

from collections import Counter

import pytest

from tests.life.drive import Drive

STORM = {"throttle": 0.2, "reset_before": 0.03, "reset_after": 0.03, "lag": 3.0, "latency": 0.02, "jitter": 0.1}
PACE = 0.2
COMMANDS = (("up", "dev", "-t", "g4dn.xlarge", "-y"), ("stop", "dev"), ("start", "dev"), ("down", "dev", "-y"))
TRIES = 3  # a command that gives up, and says so, may be run again; it may not leave anything behind in the end
ROUNDS = 50
SHARDS = 5


@pytest.fixture(scope="module")
def sea(tmp_path_factory: pytest.TempPathFactory):
    """spotbox and a sandbox at a pace that the lag means something to."""
    made = Drive(tmp_path_factory.mktemp("sea"), PACE, SPOTBOX_SETTLE="6s")
    yield made
    made.close()


def sail(drive: Drive, seed: int) -> Counter[str]:
    """One life of a box in the weather of this seed; how the commands ended. AssertionError with all that was said."""
    told: Counter[str] = Counter()
    story = []
    drive.control("weather", **STORM, seed=seed)
    try:
        for args in COMMANDS:
            for _ in range(TRIES):
                done = drive.run(*args, timeout=240)
                story.append(str(done))
                told[f"{args[0]} {done.code}"] += 1
                assert done.clean, "\n".join(story)
                if done.code == 0:
                    break
            assert done.code == 0, "\n".join(story)
        drive.control("weather", clear=True)
        left = drive.independent.left()
        assert not left, "\n".join([*story, "left:", *left])
    finally:
        drive.control("weather", clear=True)
        drive.independent.sweep()
    return told


@pytest.mark.slow
def test_a_life_in_bad_weather(sea):
    """up, stop, start and down end well, without a traceback, and nothing is left."""
    print(dict(sail(sea, 1)))


@pytest.mark.weather
@pytest.mark.parametrize("shard", range(SHARDS))
def test_fifty_lives_in_bad_weather(sea, shard):
    """As one life, so fifty."""
    told: Counter[str] = Counter()
    broken = []
    for seed in range(1 + shard, 1 + ROUNDS, SHARDS):
        try:
            told += sail(sea, seed)
        except AssertionError as error:
            broken.append(f"seed {seed}: {error}")
    print(f"shard {shard}: {dict(told)}, {len(broken)} broken")
    assert not broken, "\n\n".join(broken)
