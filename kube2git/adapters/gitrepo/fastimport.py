"""Writes commits through one ``git fast-import`` in a scratch repository.

Whatever fast-import leaves behind when it is killed (packs, crash reports, locks) is in that one
folder, which the next run removes. Objects reach the real repository when the work is complete;
refs are never touched here. It cannot sign, so commits are signed afterwards, in the same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kube2git.adapters.gitrepo import objects, scratch
from kube2git.adapters.gitrepo.plumbing import Git, Place
from kube2git.adapters.gitrepo.signing import Signing
from kube2git.errors import Kube2gitError

_OPTIONS = ("-c", "core.ignoreCase=false", "-c", "fastimport.unpackLimit=0")
_FEW_OBJECTS = 100
_SMALL_PACK = 8 << 20
"""Bytes."""


class FastImport:
    """One import: blobs, then commits, each on top of the one before."""

    def __init__(self, git: Git, place: Place, signing: Signing | None = None) -> None:
        self._git = git
        self._place = place
        self._signing = signing
        self._home = scratch.make(place)
        # A file, not a pipe: nobody reads it before the end.
        self._errors = self._home / "errors"
        try:
            with self._errors.open("wb") as errors:
                self._process = git.at(self._home, *_OPTIONS).start(
                    "fast-import", "--quiet", "--done", "--date-format=raw", stderr=errors
                )
        except BaseException:
            scratch.remove(self._home)
            raise
        self._commits = 0

    def blob(self, data: bytes) -> None:
        """Store a file's bytes; they come out under their usual id."""
        self._write(b"blob\ndata %d\n" % len(data), data, b"\n")

    def commit(
        self,
        parent: str | None,
        author: bytes,
        committer: bytes,
        message: bytes,
        changes: Mapping[str, tuple[str, str] | None],
        encoding: str = "",
    ) -> None:
        """Add a commit of ``changes`` (path -> mode and blob id, None removes).

        The first goes on top of ``parent``, later ones on top of the commit before.
        """
        self._commits += 1
        head = [
            b"commit refs/heads/scratch",
            b"mark :%d" % self._commits,
            b"author " + author,
            b"committer " + committer,
        ]
        if encoding:
            head.append(b"encoding " + encoding.encode())
        head += [b"data %d" % len(message), message]
        if self._commits > 1:
            head.append(b"from :%d" % (self._commits - 1))
        elif parent:
            head.append(b"from " + parent.encode())
        self._write(b"\n".join(head), b"\n")
        # Removals first: a file may give way to a folder of its name.
        for path, entry in sorted(changes.items(), key=lambda item: (item[1] is not None, item[0])):
            if entry is None:
                self._write(b"D ", scratch.quoted(path), b"\n")
            else:
                mode, id = entry
                self._write(f"M {mode} {id} ".encode(), scratch.quoted(path), b"\n")
        self._write(b"\n")

    def finish(self) -> str:
        """Hand the objects over to the repository; return the id of the last commit."""
        self._write(*(b"get-mark :%d\n" % mark for mark in range(1, self._commits + 1)), b"done\n")
        self._process.hang_up()
        commits = self._process.answers.read().decode("ascii", "replace").split()
        if self._process.wait() != 0 or len(commits) != self._commits:
            raise self._failure()
        signed = self._sign(commits, self._signing) if self._signing else []
        try:
            _hand_over(self._git, self._home / "objects" / "pack", self._place)
        except OSError as error:
            raise _stopped(error.strerror) from None
        for data in signed:
            kind = ("-t", "commit", "-w", "--stdin")
            commits = [self._git.must("hash-object", *kind, data=data).decode().strip()]
        return commits[-1]

    def _sign(self, commits: list[str], signing: Signing) -> list[bytes]:
        """Sign commits, each on top of the signed one before; return them as git stores them."""
        here = self._git.at(self._home)
        signed: list[bytes] = []
        above: tuple[str, ...] | None = None
        for commit in commits:
            raw = objects.split_commit(here.must("cat-file", "commit", commit))
            new = signing.sign(here, raw if above is None else replace(raw, parents=above))
            signed.append(here.must("cat-file", "commit", new))
            above = (new,)
        return signed

    def discard(self) -> None:
        """End the import; what was not handed over is gone."""
        self._process.stop()
        scratch.remove(self._home)

    def _write(self, *parts: bytes) -> None:
        try:
            self._process.say(*parts)
        except BrokenPipeError:
            raise self._failure() from None

    def _failure(self) -> Kube2gitError:
        self._process.wait()
        lines = self._errors.read_text("utf-8", "replace").splitlines()
        why = next(
            (line[6:].strip() for line in lines if line.startswith("fatal:")), "no reason given"
        )
        return _stopped(why)


def _stopped(why: str | None) -> Kube2gitError:
    return Kube2gitError(
        f"Writing to the repository stopped, and nothing was committed: {why}.",
        hint="Check the free space on the disk and the permissions of the repository.",
    )


def _hand_over(git: Git, packs: Path, place: Place) -> None:
    for pack in packs.glob("pack-*.pack"):
        content = pack.read_bytes() if pack.stat().st_size < _SMALL_PACK else b""
        if content and int.from_bytes(content[8:12]) <= _FEW_OBJECTS:
            # As git does with small pushes: a pack for every run would soon be too many.
            git.must("unpack-objects", "-q", data=content)
            continue
        target = place.objects / "pack"
        target.mkdir(exist_ok=True)
        # A pack counts from the moment its index is there, so that comes last.
        for part in sorted(packs.glob(f"{pack.stem}.*"), key=lambda part: part.suffix == ".idx"):
            part.replace(target / part.name)
