"""A real Kubernetes control plane as plain processes, for tests, the demo and benchmarks.

Rule: everything binds to 127.0.0.1, needs no root and no container, and ends with its owner.
Boundary: it knows Kubernetes and Go, and nothing of kube2git.
"""

from tests.controlplane.plane import ControlPlane
from tests.controlplane.problems import ControlPlaneError
from tests.controlplane.startup import attach, start

__all__ = ["ControlPlane", "ControlPlaneError", "attach", "start"]
