"""A plain parallel client: sends bodies that are made already, 16 at a time, and nothing else.

What any replay must do at least. Run as a program: `python -m bench.plain KUBECONFIG FILE`, where
each line of FILE is a stage, a JSON list of [path, body]; a stage begins when the one before ended.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import urllib3

from bench.raw import connect

CONNECTIONS = 16
QUERY = "fieldManager=plain&force=false"


def send(pool: urllib3.PoolManager, server: str, path: str, body: bytes) -> None:
    """Apply one object; wait for a kind that is just being made, and end on any other refusal."""
    headers = {**pool.headers, "Content-Type": "application/apply-patch+yaml"}
    while True:
        answer = pool.request("PATCH", f"{server}{path}?{QUERY}", body=body, headers=headers)
        if answer.status < 300:
            return
        if answer.status != 404:
            sys.exit(f"PATCH {path} got {answer.status}: {answer.data[:300]!r}")
        time.sleep(0.02)


def main() -> None:
    """Print seconds and the number of objects as JSON."""
    pool, server = connect(sys.argv[1], connections=CONNECTIONS)
    stages = [
        [(path, msgspec.json.encode(body)) for path, body in json.loads(line)]
        for line in Path(sys.argv[2]).read_text().splitlines()
    ]
    gc.disable()
    begun = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        for stage in stages:
            list(threads.map(lambda item: send(pool, server, *item), stage))
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "objects": sum(map(len, stages))}))


if __name__ == "__main__":
    main()
