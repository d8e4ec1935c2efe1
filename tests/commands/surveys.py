"""What an audit sees of a World: the verbs of spotbox.aws.cloud.Cloud that look beyond tags."""

from dataclasses import replace

from spotbox.aws.survey import Surveyed
from spotbox.core.findings import Survey, bears_traces
from spotbox.core.names import OWNER_TAG


class FakeSurveys:
    """A part of FakeCloud, which has `world` and `observe`."""

    def survey(self, regions, owner):
        seen = self.observe(regions, owner)
        found = self.traces(seen.sights, owner)
        whole = []
        for survey in found.surveys:
            region = survey.sight.region
            tags = [s for s in self.world.snapshots.values() if s.region == region and OWNER_TAG in s.tags]
            mine = tuple(s for s in tags if owner in (None, s.tags[OWNER_TAG]))
            whole.append(replace(survey, snapshots=mine))
        return Surveyed(tuple(whole), {**seen.failed, **found.failed})

    def traces(self, sights, owner):
        return Surveyed(tuple(self._traced(sight, owner) for sight in sights), {})

    def _traced(self, sight, owner):
        w, shown = self.world, {r.id for r in sight.requests}
        here = [i for i in w.instances.values() if i.region == sight.region and i.id not in w.hidden]
        named = {i.request_id for i in here} - shown
        more = tuple(r for r in w.requests.values() if r.id in named and r.region == sight.region)
        whose = {r.id for r in (*sight.requests, *more) if OWNER_TAG in r.tags}
        known = {i.id for i in sight.instances}
        bare = tuple(
            i for i in here if bears_traces(i, sight, owner) and i.request_id not in whose and i.id not in known
        )
        ids = {i.id for i in bare}
        disks = tuple(v for v in w.volumes.values() if v.instance_id in ids)
        return Survey(replace(sight, requests=(*sight.requests, *more)), (), bare, disks)
