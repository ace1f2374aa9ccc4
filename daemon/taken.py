"""A request on its way into the commit that makes it a job."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from daemon.changes import Claim
from daemon.check import Vetted
from daemon.clock import rfc3339
from daemon.model import Event, Type
from daemon.names import shown
from daemon.spool import Whole


@dataclass(frozen=True, slots=True)
class Taken:
    """One file that became a claim, on its way into the commit."""

    name: str
    whole: Whole
    vetted: Vetted
    job_id: str


def claim_of(taken: Taken) -> Claim:
    """What the database keeps of the file."""
    data = taken.whole.data
    return Claim(
        shown(taken.name),
        taken.whole.identity.key,
        data,
        hashlib.sha256(data).hexdigest(),
        taken.vetted.pipeline_bytes,
    )


def queued(taken: Taken, now: datetime) -> Event:
    """The first event of the job that it becomes: all that the job is."""
    vetted, request = taken.vetted, taken.vetted.request
    facts = {
        "id": taken.job_id,
        "slug": vetted.slug,
        "intent": request.intent,
        "pipeline": vetted.pipeline.name,
        "pipeline_sha256": hashlib.sha256(vetted.pipeline_bytes).hexdigest(),
        "priority": request.priority,
        "labels": dict(request.labels),
        "params": dict(vetted.params),
        "gates": {name: gate.model_dump(exclude_unset=True) for name, gate in request.gates.items()},
        "stage_timeouts": dict(request.stage_timeouts),
        "stages": [
            {"name": s.name, "needs": list(s.needs), "retries": s.retries, "gate": s.name in vetted.gated}
            for s in vetted.pipeline.stages
        ],
        "request_sha256": hashlib.sha256(taken.whole.data).hexdigest(),
        "name": shown(taken.name),
        "identity": taken.whole.identity.key,
    }
    message = f"accepted from inbox/{shown(taken.name)}"
    return Event(Type.JOB_QUEUED, rfc3339(now), taken.job_id, message=message, payload=facts)
