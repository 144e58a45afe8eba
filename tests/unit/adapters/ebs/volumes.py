"""Claims on EBS volumes, as a run finds them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from kube2git.adapters.ebs import Patience
from kube2git.core.snapshots import ClaimRef, Volume
from tests import ec2faults

QUICK = Patience(first=0.02, longest=0.1)
CLUSTER = "11111111-2222-3333-4444-555555555555"


def ebs_volume(handle: str, **changes: Any) -> Volume:
    """Return a claim of its own that is bound to this volume."""
    name = f"data-{uuid.uuid4().hex[:8]}"
    volume = Volume(
        claim=ClaimRef("shop", name),
        claim_uid=str(uuid.uuid4()),
        volume=f"pvc-{name}",
        driver="ebs.csi.aws.com",
        handle=handle,
        storage_class="gp3",
        capacity=2**30,
        access_modes=("ReadWriteOnce",),
        fs_type="ext4",
        zone=f"{ec2faults.REGION}a",
    )
    return replace(volume, **changes)
