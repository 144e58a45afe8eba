"""The branch as an export finds it: the files of its newest commit, and what its own files say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kube2git.core import filing, layout, yamlio
from kube2git.core.coverage import Coverage, check_format
from kube2git.core.ports import Repo
from kube2git.core.wire import Json

_OWN_FILES = (layout.FORMAT, layout.COVERAGE, layout.SEALS)


class Tip:
    """The newest commit; without one, a tree without files."""

    def __init__(self, repo: Repo) -> None:
        """Read it; raise RefusedError when a newer kube2git has written there."""
        self._repo = repo
        self.commit = repo.tip()
        self.tree: Mapping[str, str] = repo.tree(self.commit) if self.commit else {}
        """Path -> blob id."""
        self._own = self._files(path for path in _OWN_FILES if path in self.tree)
        check_format(self.parsed(layout.FORMAT))
        self.coverage = Coverage.from_data(self.parsed(layout.COVERAGE))

    def parsed(self, path: str) -> object:
        """Return what one of our own files holds, None when there is none; raise YamlError."""
        data = self._own.get(path)
        return None if data is None else yamlio.decode(data, source=path)

    def sops_rules(self) -> tuple[bytes, str] | None:
        """Return the .sops.yaml that applies, and the prefix as seen from its folder."""
        return self._repo.file_above(self.commit, ".sops.yaml") if self.commit else None

    def snapshot_records(self) -> dict[str, bytes]:
        """Return the records of volumes: path -> file."""
        return self._files(path for path in self.tree if layout.is_snapshots_path(path))

    def bodies(self, paths: Sequence[str]) -> Iterator[tuple[str, Json | None]]:
        """Give the objects of some files, each with its path; None for what a person broke."""
        blobs = [self.tree[path] for path in paths]
        for path, data in zip(paths, self._repo.read(blobs), strict=True):
            try:
                _, body = filing.read(path, data)
            except yamlio.YamlError:
                yield path, None
            else:
                yield path, body

    def _files(self, paths: Iterable[str]) -> dict[str, bytes]:
        # In one go: in a clone that fetches contents on demand, each reading is a request.
        chosen = list(paths)
        blobs = [self.tree[path] for path in chosen]
        return dict(zip(chosen, self._repo.read(blobs), strict=True))
