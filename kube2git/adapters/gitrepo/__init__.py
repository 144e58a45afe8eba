"""The repository: read trees and history, commit, lock, exchange commits with a remote.

Moves paths and bytes and never hears of Kubernetes. ``GitRepository`` is the port ``Repo``; git's
and GitPython's failures end here as ``kube2git.errors``.
"""

from kube2git.adapters.gitrepo.access import Access
from kube2git.adapters.gitrepo.addresses import is_remote
from kube2git.adapters.gitrepo.identity import Author
from kube2git.adapters.gitrepo.onefile import read_file
from kube2git.adapters.gitrepo.repository import GitRepository
from kube2git.adapters.gitrepo.signing import Signing, Trust

__all__ = ["Access", "Author", "GitRepository", "Signing", "Trust", "is_remote", "read_file"]
