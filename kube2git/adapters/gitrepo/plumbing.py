"""Finds repositories and runs git in them: the only door to GitPython.

GitPython finds a repository's folders and reads its configuration. Commands run as plain
processes: its own runner cannot take variables out of the environment (GIT_DIR inside a hook)
nor end a whole process group when time is up.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from kube2git.adapters.gitrepo.access import Credentials
from kube2git.errors import Kube2gitError, RepositoryNotFoundError

try:
    import git
except ImportError as error:  # GitPython looks for the program when it is imported.
    raise Kube2gitError(
        "The program git was not found.", hint="Install Git 2.31 or newer and put it on PATH."
    ) from error

_KEPT_VARIABLES = frozenset(
    {
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_EXEC_PATH",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CAPATH",
    }
)
"""Of git's variables, those that say how to reach a remote; the others say what to work on."""

_SETTINGS = (
    "advice.detachedHead=false",
    "color.ui=false",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.useReplaceRefs=false",
    "core.warnAmbiguousRefs=false",
    "fetch.prune=false",
    "fetch.recurseSubmodules=false",
    "gc.autoDetach=false",
    "maintenance.auto=false",
    "push.followTags=false",
    "push.gpgSign=false",
    "push.recurseSubmodules=no",
    "submodule.recurse=false",
)
"""What must not depend on the user's or the system's configuration."""


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A repository's folders, and what its configuration says that matters here."""

    git_dir: Path
    """Of this work tree."""
    common_dir: Path
    """Shared by all its work trees: objects and branches."""
    work_tree: Path | None
    """None when bare."""
    head_branch: str
    """The branch that HEAD names, "" when it names none."""
    object_format: str
    """sha1 or sha256."""
    sharing: str
    """core.sharedRepository, "" when unset."""
    is_partial: bool
    """Objects may be missing here and are fetched from the remote when they are needed."""
    remotes: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Name -> URL, as configured."""

    @property
    def objects(self) -> Path:
        return self.common_dir / "objects"

    @property
    def id_length(self) -> int:
        """Hexadecimal digits of an object's id."""
        return 64 if self.object_format == "sha256" else 40


def find(path: Path) -> Place:
    """Look at the repository at a path (bare, or a work tree's top folder or .git).

    Raise RepositoryNotFoundError when there is none.
    """
    try:
        with git.Repo(path, expand_vars=False) as found:
            config = found.config_reader("repository")
            remotes = {
                section[8:-1]: str(config.get_value(section, "url", ""))
                for section in config.sections()
                if section.startswith('remote "') and config.has_option(section, "url")
            }
            tree = found.working_tree_dir
            head = (Path(found.git_dir) / "HEAD").read_text("utf-8", "surrogateescape")
            return Place(
                git_dir=Path(found.git_dir).absolute(),
                common_dir=Path(found.common_dir).absolute(),
                work_tree=Path(tree).absolute() if tree and not found.bare else None,
                head_branch=head.strip().removeprefix("ref: refs/heads/")
                if head.startswith("ref: refs/heads/")
                else "",
                object_format=str(config.get_value("extensions", "objectformat", "sha1")).lower(),
                sharing=str(config.get_value("core", "sharedrepository", "")),
                is_partial=config.has_option("extensions", "partialclone")
                or any(
                    config.has_option(f'remote "{name}"', "partialclonefilter") for name in remotes
                ),
                remotes=remotes,
            )
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        why = "is not a Git repository" if path.exists() else "does not exist"
        raise RepositoryNotFoundError(
            f"There is no repository: {path} {why}.",
            hint="Create one with `kube2git init`, or name another with --repo.",
        ) from None
    except (OSError, ValueError, git.GitError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its configuration is damaged"
        raise RepositoryNotFoundError(
            f"The repository at {path} could not be opened: {reason}.",
            hint="Check its permissions, and that git itself can use it.",
        ) from None


@dataclass(frozen=True, slots=True)
class Result:
    """What a command said."""

    code: int
    out: bytes
    error: str
    """Its standard error, without credentials."""
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def reason(self) -> str:
        """The line of standard error that says why, without ``fatal:`` before it."""
        lines = [line.strip() for line in self.error.splitlines() if line.strip()]
        telling = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
        return telling[0].split(":", 1)[-1].strip() if telling else "it gave no reason"


class Git:
    """Runs git commands in one git directory, whatever the user's environment says."""

    def __init__(
        self, git_dir: Path, identity: Mapping[str, str], *options: str, held: int | None = None
    ) -> None:
        """Prepare to run git.

        ``held`` is the descriptor of a lock that commands keep as long as they run, even when
        this process is killed.
        """
        self.git_dir = git_dir
        self._held = () if held is None else (held,)
        self._options = (*options, *(word for line in _SETTINGS for word in ("-c", line)))
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GIT_") or name in _KEPT_VARIABLES
        } | {
            "LC_ALL": "C",
            "LANGUAGE": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS_REQUIRE": "never",
            "GIT_OPTIONAL_LOCKS": "0",
            **identity,
        }
        self._identity = identity

    def at(self, git_dir: Path, *options: str, held: int | None = None) -> Git:
        """Return a runner for another git directory, as the same committer."""
        return Git(git_dir, self._identity, *options, held=held)

    def run(
        self,
        *arguments: str,
        data: bytes = b"",
        credentials: Credentials | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command to its end, with a time limit where it speaks to a remote."""
        granted = credentials or Credentials()
        process = self._spawn(
            arguments, granted, environment or {}, subprocess.PIPE, session=credentials is not None
        )
        timed_out = False
        begun = time.monotonic()
        try:
            out, error = process.communicate(data, granted.timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            _end(process, gently=True)
            out, error = b"", b""
        except BaseException:
            _end(process, gently=True)
            raise
        text = granted.scrub(error.decode("utf-8", "replace"))
        milliseconds = (time.monotonic() - begun) * 1000
        # Its other words may hold an address or a path; the command is enough.
        _log.debug("git %s: %d, %.0f ms", _name(arguments), process.returncode, milliseconds)
        return Result(process.returncode, out, text, timed_out)

    def must(
        self,
        *arguments: str,
        data: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run a local command and return its output; raise Kube2gitError when it fails."""
        result = self.run(*arguments, data=data, environment=environment)
        if not result.ok:
            raise Kube2gitError(f"git {arguments[0]} failed in {self.git_dir}: {result.reason}")
        return result.out

    def start(
        self,
        *arguments: str,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        credentials: Credentials | None = None,
    ) -> Dialogue:
        """Start a command that is spoken to through pipes; the caller ends it with ``stop``."""
        granted = credentials or Credentials()
        return Dialogue(self._spawn(arguments, granted, {}, stderr, session=False))

    def _spawn(
        self,
        arguments: Sequence[str],
        credentials: Credentials,
        environment: Mapping[str, str],
        stderr: int | IO[bytes],
        *,
        session: bool,
    ) -> subprocess.Popen[bytes]:
        program = git.Git.GIT_PYTHON_GIT_EXECUTABLE or "git"
        where = f"--git-dir={self.git_dir}"
        try:
            # A session of its own has no terminal, so that ssh cannot ask there, and can be
            # ended as a whole.
            return subprocess.Popen(
                [program, where, *self._options, *credentials.options, *arguments],
                bufsize=1 << 20,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**self._environment, **credentials.environment, **environment},
                start_new_session=session,
                pass_fds=self._held,
            )
        except OSError as error:
            raise Kube2gitError(
                f"The program git could not be started: {error.strerror}.",
                hint="Install Git 2.31 or newer and put it on PATH.",
            ) from None


class Dialogue:
    """A running git that is spoken to through pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._to_git = cast("IO[bytes]", process.stdin)
        self.answers = cast("IO[bytes]", process.stdout)
        self.wait = process.wait

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def say(self, *parts: bytes) -> None:
        """Write to git, through a buffer; raise BrokenPipeError when it has gone."""
        for part in parts:
            self._to_git.write(part)

    def flush(self) -> None:
        self._to_git.flush()

    def hang_up(self) -> None:
        """Tell git that nothing more comes."""
        with contextlib.suppress(BrokenPipeError):
            self._to_git.close()

    def stop(self) -> None:
        """End git at once, unless it has ended, and close the pipes."""
        _end(self._process, gently=False)


def _name(arguments: Sequence[str]) -> str:
    """Return the command among the arguments of git, which may begin with options."""
    words = iter(arguments)
    for word in words:
        if word == "-c":
            next(words)
        elif not word.startswith("-"):
            return word
    return ""


def _end(process: subprocess.Popen[bytes], *, gently: bool) -> None:
    # Asked gently, git removes its lock and temporary files first.
    for sign, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, None)):
        if process.poll() is None and (gently or sign is signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getpgid(process.pid) == process.pid:
                    os.killpg(process.pid, sign)
                else:
                    process.send_signal(sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
