"""A CSI driver for tests, whose storage is a folder: real bytes, and faults on demand.

Rule: it knows no Kubernetes; the real sidecars of `tests.controlplane` stand between the two.
"""

from tests.csidriver.driver import DRIVER, Driver, start_driver
from tests.csidriver.switches import NEVER, Fault, Switches

__all__ = ["DRIVER", "NEVER", "Driver", "Fault", "Switches", "start_driver"]
