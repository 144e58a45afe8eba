"""The raw sweep: fetch and decode every page at one revision, and nothing else.

What any exporter must do at least: as many connections as kube2git uses, pages of 500, gzip, the
fastest JSON decoder at hand. Run as a program, so that its memory can be measured too.
"""

from __future__ import annotations

import base64
import gc
import json
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import urllib3
import yaml

CONNECTIONS = 4


def connect(kubeconfig: str, *, connections: int = CONNECTIONS) -> tuple[urllib3.PoolManager, str]:
    """Return a connection pool with the credentials of a test's kubeconfig, and the server."""
    config = yaml.safe_load(Path(kubeconfig).read_text())
    cluster = config["clusters"][0]["cluster"]
    headers = {
        "Authorization": f"Bearer {config['users'][0]['user']['token']}",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
    }
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    pool = urllib3.PoolManager(maxsize=connections, ca_cert_data=authority, headers=headers)
    return pool, cluster["server"]


def collections(pool: urllib3.PoolManager, server: str) -> Iterator[str]:
    """Yield the path of every listable collection, each in its preferred version."""
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    for root in ("api", "apis"):
        answer = pool.request("GET", f"{server}/{root}", headers={**pool.headers, "Accept": accept})
        for group in msgspec.json.decode(answer.data)["items"]:
            version = group["versions"][0]
            name = group["metadata"].get("name")
            prefix = f"/apis/{name}" if name else "/api"
            for item in version.get("resources", ()):
                if "list" in item["verbs"]:
                    yield f"{prefix}/{version['version']}/{item['resource']}"


def sweep(pool: urllib3.PoolManager, server: str) -> tuple[int, int]:
    """Read everything at one revision; return objects and bytes."""
    first = pool.request("GET", f"{server}/api/v1/namespaces?limit=1")
    revision = msgspec.json.decode(first.data)["metadata"]["resourceVersion"]
    exact = f"?limit=500&resourceVersion={revision}&resourceVersionMatch=Exact"

    def read(path: str) -> tuple[int, int]:
        objects = size = 0
        query = exact
        while True:
            answer = pool.request("GET", f"{server}{path}{query}")
            if answer.status != 200:
                return objects, size
            page = msgspec.json.decode(answer.data)
            objects += len(page.get("items") or ())
            size += len(answer.data)
            token = page["metadata"].get("continue")
            if not token:
                return objects, size
            query = f"?limit=500&continue={token}"

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        results = list(threads.map(read, collections(pool, server)))
    return sum(objects for objects, _ in results), sum(size for _, size in results)


def main() -> None:
    """Print seconds, objects, bytes and peak memory as JSON."""
    pool, server = connect(sys.argv[1])
    gc.disable()
    begun = time.perf_counter()
    objects, size = sweep(pool, server)
    seconds = time.perf_counter() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "objects": objects, "bytes": size, "memory": memory}))


if __name__ == "__main__":
    main()
