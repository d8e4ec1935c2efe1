"""One launch asked for until AWS answers: an unclear outcome is no refusal, and the same token makes asking safe."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from spotbox.aws.errors import unknown_outcome
from spotbox.aws.hands import Hands
from spotbox.aws.observe import describe, observe
from spotbox.core.errors import SpotboxError
from spotbox.core.hunt import UNCLEAR_LEAST, InFlight, Means, Unclear, meaning, pool_words
from spotbox.core.records import Offer
from spotbox.core.states import LIVE
from spotbox.core.waiting import Look
from spotbox.core.wishes import Ground, Wish

T = TypeVar("T")
SHOWN_WITHIN = 20.0  # seconds in which AWS shows a launch that it knows of
LONGEST_NAP = 10.0  # seconds between two askings
_GENERATIONS = 32  # tokens used up in a row before we stop and say so


@dataclass(frozen=True)
class Question:
    """What is asked of AWS: `made` is when key and group were made, `end` until when an unclear answer is asked
    about (both on the monotonic clock of the hands)."""

    wish: Wish
    offer: Offer
    made: float
    end: float


def ask(hands: Hands, question: Question, send: Callable[[int], T]) -> T | None:
    """What `send`, given the generation of its token, gave; None where an earlier launch of the box stands instead.

    SpotboxError for a refusal; Unclear where AWS did not say until the end, which is at least a minute from then;
    InFlight where the user left before AWS answered.
    """
    try:
        answer = _ask(hands, question, send)
        hands.answered(question.offer.region, answer)  # within the `try`: no Ctrl-C falls between the two
        return answer
    except KeyboardInterrupt as cut:
        raise InFlight from cut


def _ask(hands: Hands, question: Question, send: Callable[[int], T]) -> T | None:
    generation = question.wish.grounds[question.offer.region].generation
    last = generation + _GENERATIONS
    unclear: SpotboxError | None = None
    until, nap = 0.0, 0.5
    while True:
        try:
            return send(generation)
        except SpotboxError as error:
            lost = unknown_outcome(error)
            unclear = error if lost else unclear
            means = Means.AGAIN if lost or _unreachable(error) else meaning(error.code, hands.now() - question.made)
            if means is Means.USED and generation < last:
                if _used_by_a_living(hands, question, error):
                    return None
                generation += 1
                continue
            if means is not Means.AGAIN:
                raise
            until = until or max(question.end, hands.now() + UNCLEAR_LEAST)
            if hands.now() >= until:
                if unclear is None:
                    raise
                if _standing(hands, question).value:
                    return None
                raise _never_said(question, unclear) from error
            hands.show(_asking_again(question, error, lost))
        nap = min(LONGEST_NAP, nap * 2)
        hands.sleep(max(0.1, min(nap, until - hands.now())))


def _unreachable(error: SpotboxError) -> bool:
    """A connection that could not be made: nothing was sent, or what was sent before is as unclear as it was."""
    from botocore.exceptions import HTTPClientError

    return error.code is None and isinstance(error.__cause__, HTTPClientError)


def _asking_again(question: Question, error: SpotboxError, lost: bool) -> str:
    why = "no clear answer from AWS" if lost else error.message
    return f"{pool_words(question.offer)}: {why}; asking again with the same token"


def _never_said(question: Question, error: SpotboxError) -> Unclear:
    name = question.wish.name
    return Unclear(
        f"AWS has not said whether it launched {pool_words(question.offer)}: {error.message}",
        f"`spotbox up {name}` asks again with the same token; `spotbox down {name}` removes what may have come of it.",
        error.exit_code,
        error.code,
    )


def _used_by_a_living(hands: Hands, question: Question, error: SpotboxError) -> bool:
    """Whether the launch that used the token lives. With other parameters it may not be shown yet, so it is waited
    for; IdempotentInstanceTerminated says that it ended."""
    patience = SHOWN_WITHIN if error.code == "IdempotentParameterMismatch" else 0
    return hands.wait(partial(_standing, hands, question), patience).done


def _standing(hands: Hands, question: Question) -> Look[bool]:
    """Whether an earlier launch under this name lives in the pool's region."""
    wish, region = question.wish, question.offer.region
    seen = observe(hands.aws, [region], wish.owner, wish.name)
    if seen.failed:
        raise seen.failed[region]
    sight = seen.sights[0]
    alive = any(i.state not in ("terminated", "shutting-down") and i.id not in wish.besides for i in sight.instances)
    there = alive or any(r.state in LIVE and r.id not in wish.besides for r in sight.requests)
    return Look(there, there, "an earlier launch of this box used the token; looking for it")


def find_group(hands: Hands, ground: Ground) -> str:
    """Id of the box's security group: as the step before made it, else looked for until AWS shows it.

    A launch that follows so closely that AWS does not know the group yet is asked for again (see `meaning`).
    SpotboxError where the group does not appear within some 20 s.
    """
    made = hands.groups.get((ground.region, ground.group.vpc_id, ground.group.name))
    if made:
        return made
    filters: list[dict[str, Any]] = [
        {"Name": "group-name", "Values": [ground.group.name]},
        {"Name": "vpc-id", "Values": [ground.group.vpc_id]},
    ]
    for _ in range(20):
        groups = describe(hands.aws, ground.region, "groups", filters)
        if groups:
            return str(groups[0].id)
        hands.sleep(1.0)
    raise SpotboxError(f"security group {ground.group.name} does not appear", "Run the same command again.")
