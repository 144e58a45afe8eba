"""Cuts in parallel: hooks before, the cut, hooks after, and the wait until snapshots are ready.

A batch is a thread. What a hook has frozen is released as soon as its volumes are cut, after
``freeze`` seconds at the latest, and whatever else happens, short of the death of the process.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kube2git.core.ports import CommandRunner, Snapshotter
from kube2git.core.snapshots import ClaimRef, CutRequest, SnapshotEvent, Stage, Wait
from kube2git.core.snapshots.hooks import Hook, PodHooks
from kube2git.errors import Kube2gitError

TICK = 0.2
"""Seconds between two heartbeats."""
FROZEN_AT_ONCE = 16
"""Batches with hooks that run at the same time, so that no Pod is frozen while it waits."""
PATIENCE = 10.0
"""Seconds beyond the limit for a snapshotter that should have ended by itself."""

Requests = Mapping[str, Sequence[CutRequest]]
"""Method -> what is asked of its snapshotter."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Cuts that belong together, and the hooks around them."""

    requests: Requests
    hooks: tuple[PodHooks, ...] = ()

    @property
    def claims(self) -> list[ClaimRef]:
        return [
            volume.claim
            for requests in self.requests.values()
            for request in requests
            for volume in request.volumes
        ]


@dataclass(frozen=True, slots=True)
class HookFailed:
    """A hook after the cut failed: the Pod may still be frozen."""

    reason: str


class _Ended:
    """A batch has said all it had to say."""


News = SnapshotEvent | HookFailed | None


class Cutting:
    """Carries batches out, for so many seconds in all."""

    def __init__(
        self,
        snapshotters: Mapping[str, Snapshotter],
        commands: CommandRunner,
        *,
        wait: Wait,
        seconds: float,
        freeze: float,
        patience: float = PATIENCE,
    ) -> None:
        self._snapshotters, self._commands = snapshotters, commands
        self._wait, self._freeze, self._patience = wait, freeze, patience
        self._deadline = time.monotonic() + seconds
        self._news: queue.Queue[SnapshotEvent | HookFailed | _Ended] = queue.Queue()
        self._slots = threading.Semaphore(FROZEN_AT_ONCE)
        self._is_stopped = threading.Event()

    def run(self, batches: Sequence[Batch]) -> Iterator[News]:
        """Yield what happens to each volume, and None, often; end at the limit at the latest."""
        # Daemons: a storage that never answers must not hold the process back.
        threads = [
            threading.Thread(target=self._work, args=(batch,), daemon=True) for batch in batches
        ]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running and time.monotonic() < self._deadline + self._patience:
                try:
                    news = self._news.get(timeout=TICK)
                except queue.Empty:
                    yield None
                    continue
                if isinstance(news, _Ended):
                    running -= 1
                else:
                    yield news
        finally:
            self._is_stopped.set()
            for thread, batch in zip(threads, batches, strict=True):
                if batch.hooks:
                    thread.join(self._freeze + self._patience)

    @property
    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _work(self, batch: Batch) -> None:
        try:
            if batch.hooks:
                self._cut_frozen(batch)
            else:
                self._create(batch.requests, self._wait, self._left)
        except Kube2gitError as error:
            self._fail(batch, f"{error}.")
        except Exception as error:  # noqa: BLE001 - somebody else's snapshotter; told, not hidden
            self._fail(batch, f"The snapshotter broke: {type(error).__name__}.")
        finally:
            self._news.put(_Ended())

    def _fail(self, batch: Batch, reason: str) -> None:
        for claim in batch.claims:
            self._news.put(SnapshotEvent(claim, Stage.FAILED, None, reason))

    def _cut_frozen(self, batch: Batch) -> None:
        begun: list[tuple[PodHooks, Hook]] = []
        with self._slots:
            if self._left == 0 or self._is_stopped.is_set():
                self._fail(batch, "The time limit had passed before its turn came.")
                return
            try:
                if reason := self._run_before(batch, begun):
                    self._fail(batch, reason)
                    return
                seconds = min(self._freeze, self._left)
                cut = self._create(batch.requests, Wait.CUT, seconds)
            finally:
                for pod, hook in reversed(begun):
                    self._run_after(pod, hook)
        if self._wait is Wait.READY and not self._is_stopped.is_set():
            # The marks of the run lead back to what has just been cut.
            again = {
                method: kept
                for method, requests in batch.requests.items()
                if (kept := [one for one in requests if _is_waited_for(one, cut)])
            }
            self._create(again, Wait.READY, self._left)

    def _run_before(self, batch: Batch, begun: list[tuple[PodHooks, Hook]]) -> str:
        """Run the hooks before the cut; return why there must be no snapshot, "" otherwise."""
        for pod in batch.hooks:
            # Even if it fails, or is cut short, something may be frozen by then.
            if pod.after is not None:
                begun.append((pod, pod.after))
            if pod.before is None:
                continue
            reason = self._commands.run(pod.request(pod.before))
            if reason and pod.before.is_needed:
                where = f"pod/{pod.pod} -n {pod.namespace}"
                return f"The hook before the snapshot failed in {where}: {reason}"
        return ""

    def _run_after(self, pod: PodHooks, hook: Hook) -> None:
        reason = self._commands.run(pod.request(hook))
        if reason and hook.is_needed:
            where = f"pod/{pod.pod} -n {pod.namespace}"
            self._news.put(HookFailed(f"The hook after the snapshot failed in {where}: {reason}"))

    def _create(self, requests: Requests, wait: Wait, seconds: float) -> dict[ClaimRef, Stage]:
        """Pass on what the snapshotters say; return the last of it for each claim."""
        streams = [
            self._snapshotters[method].create(asked, wait=wait, seconds=seconds)
            for method, asked in requests.items()
        ]
        last: dict[ClaimRef, Stage] = {}
        while streams and not self._is_stopped.is_set():
            for stream in list(streams):
                try:
                    event = next(stream)
                except StopIteration:
                    streams.remove(stream)
                    continue
                if event is not None:
                    last[event.claim] = event.stage
                    self._news.put(event)
        return last


def _is_waited_for(request: CutRequest, last: Mapping[ClaimRef, Stage]) -> bool:
    return any(last.get(volume.claim) is Stage.CUT for volume in request.volumes)
