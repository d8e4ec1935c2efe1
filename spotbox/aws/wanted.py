"""Which instance types a survey is about: named, by wildcard, or every accelerated one."""

import re
from collections.abc import Collection, Iterable, Sequence

from spotbox.core.errors import UsageError
from spotbox.core.text import did_you_mean, safe

# EC2 has no filter for accelerators; these families carry one (EC2 Instance Types guide, "Accelerated computing").
ACCELERATED = ("g*", "p*", "trn*", "inf*", "dl*")
MOST_VALUES = 200  # of one filter in one call (EC2 API Reference, Filter)


class Wanted:
    """The types of `-t`, names and wildcards (* and ?); none given: every accelerated type.

    `known` are the names that need no call: botocore's own list and those of the cache. A newer type is found all the
    same, for wildcards and names go to EC2 as they are.
    """

    def __init__(self, given: Sequence[str], known: Collection[str]):
        self.everything = not given
        self.given = tuple(dict.fromkeys(given)) or ACCELERATED
        self._known = known
        self._matches = re.compile("|".join(map(_pattern, self.given))).fullmatch
        self.names = tuple(sorted({*self.exact, *filter(self._matches, known)}))

    @property
    def exact(self) -> tuple[str, ...]:
        """What was given without a wildcard."""
        return tuple(word for word in self.given if not _is_glob(word))

    @property
    def globs(self) -> tuple[str, ...]:
        """What was given with one."""
        return tuple(word for word in self.given if _is_glob(word))

    def matches(self, name: str) -> bool:
        """Whether a type of that name is wanted."""
        return self._matches(name) is not None

    def values(self) -> list[str] | None:
        """The values of EC2's filter `instance-type`; None where they are too many for one, and all must be read.

        Names and wildcards both: an endpoint that knows no wildcards still finds the names.
        """
        found = [*self.names, *self.globs]
        return found if len(found) <= MOST_VALUES else None

    def check(self, seen: Iterable[str]) -> None:
        """UsageError for what was given and names no type: neither known, nor `seen` in AWS's answers."""
        if self.everything:
            return
        there = {*self._known, *seen}
        for word in self.given:
            if not any(map(re.compile(_pattern(word)).fullmatch, there)):
                raise UsageError(
                    f"no instance type matches {safe(word)}"
                    if _is_glob(word)
                    else f"there is no instance type {safe(word)}{did_you_mean(word, there)}",
                    "`spotbox prices` without `-t` lists the GPU types; * and ? stand for any letters and for one.",
                )


def _is_glob(word: str) -> bool:
    return "*" in word or "?" in word


def _pattern(word: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in word)
