"""What the live check found out, as text to paste into an issue: question, what was seen, what spotbox assumed."""

import re
from dataclasses import dataclass, field

# Each behaviour of AWS that its documentation leaves open, and what spotbox rests on.
QUESTIONS = {
    "stray": ("Does a RunInstances that AWS refuses leave a Spot request open?", "either: up and down look for one"),
    "start-without-capacity": (
        "Which code has StartInstances where there is no capacity (stopped by the user)?",
        "InsufficientInstanceCapacity, or a start that waits with the request open",
    ),
    "start-of-interrupted": (
        "Which code has StartInstances on an instance that AWS interrupted?",
        "IncorrectSpotRequestState",
    ),
    "valid-until": (
        "What does the end of ValidUntil do to a running instance?",
        "unknown: ValidUntil is never sent",
    ),
    "relaunch-tags": (
        "Do the tags of the launch reappear on what AWS launches after a terminate without cancel?",
        "no: a box is found through its request, and tagged again",
    ),
    "root-device": (
        "Which root device and size have the images of the aliases?",
        "any: both are read from the image; the login is known by its name",
    ),
    "market-option": (
        "Does the price list know the filter marketoption=OnDemand?",
        "one row; asked again without it where there is none",
    ),
    "p6-quota": ("Which Spot quota counts P6?", "none that is known: shown as unknown"),
    "state-filter": (
        "Does DescribeSpotInstanceRequests take `disabled` as a value of the filter `state`?",
        "either: states are looked at after the answer",
    ),
    "dry-run": (
        "What does a dry run say about an instance that does not exist?",
        "any: only DryRunOperation and UnauthorizedOperation are believed",
    ),
}
_ACCOUNT = re.compile(r"\b\d{12}\b")
_SECRET = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b")


@dataclass(frozen=True)
class Answer:
    """What was seen, and whether spotbox's assumption holds: `yes`, `no`, or `not seen`."""

    seen: str
    match: str


@dataclass
class Report:
    """The answers so far; a question without one was not reached."""

    where: str
    answers: dict[str, Answer] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def saw(self, question: str, seen: str, holds: bool | None) -> None:
        """Note an answer; `holds` is None where nothing could be seen."""
        assert question in QUESTIONS, question
        self.answers[question] = Answer(seen, "not seen" if holds is None else "yes" if holds else "no")

    def text(self) -> str:
        """All of it, question by question. Account numbers and access keys are taken out: it is for the public."""
        lines = [f"spotbox live check: {self.where}", ""]
        for number, (key, (question, assumed)) in enumerate(QUESTIONS.items(), 1):
            answer = self.answers.get(key, Answer("the walk did not get so far", "not seen"))
            lines += [
                f"{number}. {question}",
                f"   seen:    {answer.seen}",
                f"   assumed: {assumed}",
                f"   match:   {answer.match}",
            ]
        lines += ["", *(f"- {remark}" for remark in self.remarks)]
        shown = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in "\n".join(lines))
        return _SECRET.sub("...", _ACCOUNT.sub("000000000000", shown)).rstrip() + "\n"
