"""One library, one door: each third-party package is imported in exactly one place."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import kube2git

PACKAGE = Path(kube2git.__file__).parent

DOORS = {
    "boto3": "adapters/ebs/api.py",
    "botocore": "adapters/ebs/api.py",
    "click": "cli/",
    "cronsim": "core/schedules.py",
    "cryptography": "core/sealing/cipher.py",
    "deepdiff": "core/fielddiff.py",
    "git": "adapters/gitrepo",
    "kubernetes": "adapters/kube/credentials.py",
    "msgspec": "core/wire.py",
    "prometheus_client": "serve/metrics.py",
    "pyrage": "core/sealing/keys.py",
    "ruamel": "core/yamlreader.py",
    "ryaml": "core/yamlio.py",
    "schedule": "serve/beat.py",
    "urllib3": "adapters/kube/",
}


def third_party_imports() -> set[tuple[str, str]]:
    """Return (library, file relative to the package) of every import of a third-party package."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                root = name.partition(".")[0]
                if root not in sys.stdlib_module_names and root != "kube2git":
                    found.add((root, str(file.relative_to(PACKAGE))))
    return found


def test_each_library_has_one_door() -> None:
    imports = third_party_imports()
    assert {library for library, _ in imports} == set(DOORS)
    strays = [(lib, file) for lib, file in sorted(imports) if not file.startswith(DOORS[lib])]
    assert strays == []
