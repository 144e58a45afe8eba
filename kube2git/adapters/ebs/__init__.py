"""Snapshots of EBS volumes through EC2's API.

``api`` speaks to EC2 and is the only door to boto3; ``values`` translates, and does no input or
output; ``cutting``, ``lookup``, ``restoring`` and ``copying`` are the verbs; ``snapshotter`` is the
port.
"""

from kube2git.adapters.ebs.api import Patience
from kube2git.adapters.ebs.snapshotter import EbsSnapshotter, open_ebs

__all__ = ["EbsSnapshotter", "Patience", "open_ebs"]
