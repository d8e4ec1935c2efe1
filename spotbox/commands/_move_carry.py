"""Carry a move out: look, do what comes next, look again, until the box is elsewhere or all is as it was."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from spotbox.app import App
from spotbox.aws.calls import passing
from spotbox.commands._arrive import arrive, begin
from spotbox.commands._connect import admit_caller, forget_host, write_entry
from spotbox.commands._find import again, tell_failed
from spotbox.commands._move_prove import check_lets_in
from spotbox.commands._move_target import Way, make_wish
from spotbox.commands._remove import patiently
from spotbox.core.boxes import Box
from spotbox.core.errors import Exit, SpotboxError
from spotbox.core.hunt import Unclear
from spotbox.core.moved import Scene, Target, doomed, gone, instance_in, origin
from spotbox.core.moving import Next, Phase, behold, lacking, retirement, settle, surrender, whats_next
from spotbox.core.names import join_names
from spotbox.core.plans import plan_stop, plan_tags
from spotbox.core.records import OwnImage
from spotbox.core.states import State
from spotbox.core.steps import Cancel, Plan, Step
from spotbox.core.text import safe
from spotbox.core.waiting import Look, wait
from spotbox.core.wishes import Launch

STOP_WAIT = 900  # seconds for running -> stopped; EC2 stops hard what hangs
STALL = 120  # seconds in which AWS shows what was done
_IMAGES = 5  # times that an image is made anew because AWS has restarted the box meanwhile


def see(app: App, regions: Sequence[str], owner: str, name: str, *, whole: bool = True) -> Scene:
    """All that there is of the box and of its move. SpotboxError where several boxes bear the name.

    `whole`: a region that cannot be seen ends it, for what is not seen there may be the half of a move; else it costs
    a remark.
    """
    if len(regions) > 1:
        app.progress.glance(f"looking for {name} in {len(regions)} regions")
    seen = patiently(app, lambda: app.cloud.with_images(app.cloud.observe(regions, owner), owner))
    app.progress.done()
    if whole and seen.failed:
        raise next(iter(seen.failed.values()))
    tell_failed(app, seen)
    scene, others = behold(seen.sights, owner, name)
    if others:
        where = join_names([safe(box.region) for box in (scene.old, scene.new, *others) if box])
        raise SpotboxError(
            f"there are several boxes named {name}: in {where}", f"Remove one with: spotbox down {name} -r REGION"
        )
    return scene


def lost(scene: Scene) -> SpotboxError:
    """There is no box to move; what a move has made may be all that is left of it."""
    name = scene.name
    if not (scene.images or scene.snapshots) or (scene.old and not gone(scene.old)):
        hint = f"Look with: spotbox status {name}"
        return SpotboxError(f"{name} cannot be moved: its Spot request is cancelled, or it is gone", hint)
    whole = min((i for i in scene.images if i.state == "available"), key=lambda i: (i.region, i.id), default=None)
    left = join_names([*(image.id for image in scene.images), *(each.id for each in scene.snapshots)])
    anew = f"Make a box of it with: spotbox up NEW --ami {whole.id} -r {whole.region}. " if whole else ""
    return SpotboxError(
        f"{name} is gone; what a move has made of it is left, and bills: {left}",
        f"{anew}Remove all that is left with: spotbox down {name}",
        Exit.NO_SUCH_BOX,
    )


@dataclass
class Mover:
    """One run of a move. `regions` are those that it looks in: the box's own and the target."""

    app: App
    way: Way | None  # None: all that is left to do is to clean up
    regions: Sequence[str]
    owner: str
    name: str
    wait: float
    user_data: bytes
    images: set[str] = field(default_factory=set)  # names of those that were made
    given_up: bool = False  # all that it has made is removed, and the box stays
    retired: bool = False  # what moved is gone: when its traces are too, the move is complete

    def run(self) -> Box:
        """The box where it is in the end. SpotboxError where it stays, or something of it could not be removed."""
        phase, since = None, 0.0
        while True:
            scene = see(self.app, self.regions, self.owner, self.name)
            if self.retired and scene.new is None and scene.old is not None:
                return scene.old
            step = whats_next(scene, self.way.target if self.way else Target("", (), ()))
            now = self.app.system.monotonic()
            if step.phase is not phase:
                phase, since = step.phase, now
            elif now > since + STALL:
                raise SpotboxError(f"AWS does not show what was done ({phase})", self._again())
            else:
                self.app.system.sleep(1.0)
            self._do(scene, step)
            if phase in (Phase.IMAGE, Phase.COPY, Phase.LAUNCH, Phase.PROVE):
                since = self.app.system.monotonic()  # what waits for AWS has its own end

    def _do(self, scene: Scene, step: Next) -> None:
        match step.phase:
            case Phase.MARK | Phase.TIDY | Phase.CLEAN:
                self._apply(step.steps)
                self.retired = self.retired or step.phase is Phase.CLEAN
            case Phase.STOP:
                self._stop(scene)
            case Phase.IMAGE | Phase.COPY:
                self._make(step)
            case Phase.LAUNCH:
                self._launch(scene)
            case Phase.PROVE:
                self._replace(scene)
            case _:
                raise lost(scene)

    def _again(self) -> str:
        return f"Go on with: spotbox move {self.name}"

    def _apply(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.app.progress.show(str(step))
            self.app.cloud.apply(step, self.app.progress.show)
        self.app.progress.done()

    def _stop(self, scene: Scene) -> None:
        """Nothing that is written after the snapshot may be lost: so nothing is written after it."""
        assert scene.old  # noqa: S101
        old = scene.old
        if self.way and old.state in (State.RUNNING, State.STARTING):  # or AWS has restarted it since the move began
            self.way = replace(self.way, target=replace(self.way.target, ran=True))
        stopping = State.STOPPING, State.INTERRUPTED
        self._apply(plan_tags(old) if old.state in stopping else plan_stop(old))

        def look() -> Look[Box | None]:
            seen = again(self.app, old)
            if seen and seen.state is State.RUNNING:  # its launch was under way when it was asked to
                self._apply(plan_stop(seen))
            stopped = seen is None or (seen.instance is not None and seen.instance.state == "stopped")
            settled = seen is None or seen.state not in (State.STOPPING, State.STARTING)
            return Look(seen, stopped and settled, f"{seen.state}: {seen.reason}" if seen else "")

        found = wait(look, STOP_WAIT, self.app.system.sleep, self.app.system.monotonic, self.app.progress.show)
        self.app.progress.done(f"{self.name} is stopped")
        if not found.done:
            raise SpotboxError(f"{self.name} does not stop", f"Look with: spotbox status {self.name}. {self._again()}")

    def _make(self, step: Next) -> OwnImage:
        assert step.make  # noqa: S101
        if step.phase is Phase.IMAGE:
            self.images.add(step.make.name)
        if len(self.images) > _IMAGES:
            error = SpotboxError("AWS restarts the box again and again, so that no image of it is up to date")
            raise self._given_up(error)
        self.app.progress.show(str(step.make))
        try:
            image: OwnImage = self.app.cloud.make_image(step.make, self.app.progress.show)
        except SpotboxError as error:
            raise self._given_up(error) from error
        self.app.progress.done(f"image {image.id} is complete in {image.region}")
        return image

    def _launch(self, scene: Scene) -> None:
        """Where the target has no room, the box stays where it is."""
        assert self.way  # noqa: S101
        assert scene.old  # noqa: S101
        image = scene.image(self.way.target.region)
        assert image  # noqa: S101
        try:
            wish = make_wish(self.app, scene, self.way, image, self.user_data)
            ground = wish.grounds[image.region]
            own = {(group.region, group.vpc_id) for group in scene.old.groups}
            there = (image.region, ground.group.vpc_id) in own
            self._apply([*([] if there else [ground.group]), *([ground.key] if ground.key.public_key else [])])
            launched = self.app.cloud.launch(Launch(wish, scene.old.market), self.wait, self.app.progress.show)
        except SpotboxError as error:
            self.app.progress.done()
            raise self._given_up(error) from error
        where = launched.offer.zone if launched.offer else launched.region
        self.app.progress.done(f"AWS accepted: {launched.instance_id or 'an earlier launch of this move'} in {where}")
        self._until_shown(launched.instance_id)

    def _until_shown(self, instance_id: str | None) -> None:
        def look() -> Look[bool]:
            scene = see(self.app, self.regions, self.owner, self.name)
            there = scene.new is not None and (instance_id is None or bool(scene.new.instance))
            return Look(there, there, "waiting for AWS to show what it launched")

        wait(look, STALL, self.app.system.sleep, self.app.system.monotonic, self.app.progress.show)

    def _replace(self, scene: Scene) -> None:
        """Prove that the new one answers and has every disk; only then retire the old one."""
        new = scene.new
        assert new  # noqa: S101
        try:
            admit_caller(self.app, new)
            new = arrive(self.app, new, launched=new.instance.id if new.instance else None)
            check_lets_in(self.app, new)
            self._apply([*settle(new, scene.old), *plan_tags(new)])
            scene = see(self.app, self.regions, self.owner, self.name)
            if scene.new and scene.old and not scene.stale and (missing := lacking(scene)):
                raise SpotboxError(f"{join_names([safe(m) for m in missing])} is not attached to what was launched")
        except SpotboxError as error:
            self.app.progress.done()
            raise self._given_up(error) from error
        if scene.new is None or scene.old is None or (scene.stale and not doomed(scene.old)):
            return  # looked at again: AWS has restarted the old one, or somebody else was here
        self._retire(scene)

    def _retire(self, scene: Scene) -> None:
        """Cancel, look once more, terminate, and clean up.

        Between the last look and the cancel AWS may restart what it had interrupted: then nothing is terminated.
        """
        if scene.old and scene.new and not doomed(scene.old):
            self._check_same(scene.old, scene.new)
        steps = retirement(scene)
        cancels: Plan = tuple(step for step in steps if isinstance(step, Cancel))
        if cancels:
            self._apply(cancels)
        old = see(self.app, self.regions, self.owner, self.name).old
        if old and old.instance and scene.new and self._ran(old, scene.new):
            raise SpotboxError(
                f"AWS restarted {old.instance.id} in the very moment in which it was to go: it bills, and what it "
                f"writes is not in {scene.new.instance.id if scene.new.instance else 'the new one'}",
                f"Fetch what you need, then: spotbox down {self.name} removes both; to end the old one alone: aws ec2 "
                f"terminate-instances --region {old.region} --instance-ids {old.instance.id}; then: "
                f"spotbox move {self.name}",
                Exit.STILL_BILLS,
            )
        self._apply([step for step in steps if not isinstance(step, Cancel)])
        if scene.old and scene.old.instance:
            forget_host(self.app, self.name, {scene.old.instance.id})
        if scene.new:
            write_entry(self.app, scene.new)

    def _check_same(self, old: Box, new: Box) -> None:
        """SpotboxError where another instance stands in the place of the one that was moved: AWS launched it anew, or
        another terminal's move was quicker. Then neither goes: what is on the one need not be on the other."""
        there, here = old.instance, new.instance
        if there is None or here is None or there.id == instance_in(new.moved_from):
            return
        cancel = (
            f"aws ec2 cancel-spot-instance-requests --region {old.region} "
            f"--spot-instance-request-ids {there.request_id}, then "
            if there.request_id
            else ""
        )
        raise SpotboxError(
            f"{there.id} has taken the place of {safe(instance_in(new.moved_from))}, of which {here.id} was made: "
            "both bill, and neither was removed",
            f"Fetch what you need. To keep {here.id}: {cancel}aws ec2 terminate-instances --region {old.region} "
            f"--instance-ids {there.id}, then spotbox move {self.name}; spotbox down {self.name} removes both",
            Exit.STILL_BILLS,
        )

    @staticmethod
    def _ran(old: Box, new: Box) -> bool:
        instance = old.instance
        runs = instance is not None and instance.state in ("pending", "running")
        return runs or (instance is not None and instance.state == "stopped" and origin(instance) != new.moved_from)

    def _given_up(self, error: SpotboxError) -> SpotboxError:
        """The error, once the box is as it was; where it passes by itself, or AWS may not have answered, all is left
        for the next run."""
        if isinstance(error, Unclear) or passing(error):
            return SpotboxError(error.message, f"{error.hint} {self._again()}".strip(), error.exit_code, error.code)
        scene = see(self.app, self.regions, self.owner, self.name)
        old = scene.old
        if old is None or doomed(old) or old.instance is None:
            return SpotboxError(error.message, f"{error.hint} {self._again()}".strip(), error.exit_code, error.code)
        self.app.remark(f"the move is given up: {safe(error.message)}")
        self._apply(surrender(scene))
        self.given_up = True
        told = self._brought_back(old)
        hint = f"{told} Nothing else is left of the move. {error.hint}".strip()
        return SpotboxError(error.message, hint, error.exit_code, error.code)

    def _brought_back(self, old: Box) -> str:
        """The old box as it was: it runs again, if it ran and AWS has room for it."""
        ran = self.way is not None and self.way.target.ran
        if not ran or old.state is not State.STOPPED:
            return f"{self.name} stays where it was, {old.state}."
        try:
            begin(self.app, old)
            admit_caller(self.app, old)
            arrive(self.app, old)
        except SpotboxError as error:
            self.app.progress.done()
            return (
                f"{self.name} stays where it was, stopped: it could not be started again ({safe(error.message)}); "
                f"try: spotbox start {self.name}."
            )
        return f"{self.name} stays where it was, and runs again."
