"""Snapshots through the CSI snapshot API: objects that the cluster's own controllers act on.

Boundary: it is given a Target and speaks to nothing else. What a driver does, the external-
snapshotter's controllers tell in the status of the objects; there is no final failure among it.
"""

from kube2git.adapters.csi.snapshotter import open_csi

__all__ = ["open_csi"]
