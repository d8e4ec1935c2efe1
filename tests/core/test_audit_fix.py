"""What the fix of an audit touches: laws over random worlds."""

from dataclasses import replace

from hypothesis import given, settings

from spotbox.core.audit import audit, plan_fix
from spotbox.core.findings import Survey
from spotbox.core.names import OWNER_TAG
from spotbox.core.removal import parts_of
from spotbox.core.states import LIVE
from spotbox.core.steps import Cancel, TagAgain, Terminate
from tests.core.randomworlds import carried_out, ours, shown, worlds
from tests.core.worlds import LATER


def seen_all(world):
    """What a survey sees: requests by tag, and those that an instance names."""
    by_tag = shown(world)
    named = {i.request_id for i in by_tag.instances}
    return replace(world, requests=tuple(r for r in world.requests if r in by_tag.requests or r.id in named))


def fix(world, owner="alice"):
    survey = Survey(seen_all(world))
    findings = audit(survey, owner, "alice", LATER)
    return findings, plan_fix(findings, [survey])


def apply_all(world, plan):
    """As `carried_out`, with tags put on."""
    for step in plan:
        if isinstance(step, TagAgain):
            again = {
                name: tuple(
                    replace(part, tags={**part.tags, **step.tags}) if part.id in step.ids else part
                    for part in getattr(world, name)
                )
                for name in ("requests", "instances", "volumes")
            }
            world = replace(world, **again)
    return carried_out(world, [step for step in plan if not isinstance(step, TagAgain)])


@settings(max_examples=400, deadline=None)
@given(worlds())
def test_the_fix_over_random_worlds(world):
    """Cancel before terminate, nothing of anybody else's, kept volumes stay, healthy boxes stay, twice is nothing."""
    findings, plan = fix(world)
    kinds = [type(step) for step in plan]
    if Terminate in kinds and Cancel in kinds:
        assert max(i for i, k in enumerate(kinds) if k is Cancel) < kinds.index(Terminate)
    touched = [part["id"] for step in plan for part in parts_of(step)]
    assert len(touched) == len(set(touched)), "nothing is named twice"
    tagged = [id_ for step in plan if isinstance(step, TagAgain) for id_ in step.ids]
    assert {*touched, *tagged} <= ours(world, "alice", None)
    after = apply_all(world, plan)
    assert {f.id for f in findings if f.kept} <= {v.id for v in after.volumes}
    whole = {r.id: r for r in world.requests if r.state in LIVE}
    alive = {i.id for i in world.instances if i.state not in ("terminated", "shutting-down") and i.request_id in whole}
    assert alive <= {i.id for i in after.instances if i.state not in ("terminated", "shutting-down")}
    again = [f for f in fix(after)[0] if f.steps and f.lot != "tags"]
    held = {v.id for v in world.volumes} | {k.id for k in world.keys}
    assert [f.id for f in again if f.id not in held] == [], "a second run has nothing left to do"


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_others_are_neither_shown_nor_touched(world):
    """Without `--owner all` no finding is anybody else's, and no step names what is theirs."""
    findings, plan = fix(world)
    assert {f.owner for f in findings} <= {"alice"}
    bobs = {p.id for part in ("requests", "volumes", "groups") for p in getattr(world, part)
            if p.tags.get(OWNER_TAG) == "bob"}  # fmt: skip
    assert not bobs & {part["id"] for step in plan for part in parts_of(step)}
