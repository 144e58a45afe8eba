"""`python -m tests.csidriver.sanity`: CSI's own conformance suite on this driver.

It is no part of the test run, as building the suite takes longer than all that it would tell.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.controlplane import builder
from tests.csidriver.driver import start_driver


def main() -> int:
    suite = builder.ensure(["csi-sanity"])["csi-sanity"]
    with tempfile.TemporaryDirectory(prefix="csi-") as name:
        directory = Path(name)
        driver = start_driver(directory / "driver")
        try:
            return subprocess.run(
                [
                    suite,
                    f"--csi.endpoint=unix://{driver.socket}",
                    f"--csi.mountdir={directory / 'mounted'}",
                    f"--csi.stagingdir={directory / 'staged'}",
                    "--ginkgo.no-color",
                ],
                check=False,
            ).returncode
        finally:
            driver.stop()


if __name__ == "__main__":
    sys.exit(main())
