"""The catalogue as it is used: all rows, made ready for one kind at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kube2git.core.remap import builtin, custom, embedding, forms, paths
from kube2git.core.remap.forms import Form
from kube2git.core.remap.references import ReferenceRule


class Matcher(NamedTuple):
    """A rule made ready for one path of one kind."""

    rule: str
    """Its id."""
    form: Form
    find: forms.Finder
    must_exist: bool
    """True: when the namespace is missing in the target, the reference is open."""


class Catalogue:
    """Rules, and for every kind the graph of the paths that apply to it."""

    def __init__(self, rules: Iterable[ReferenceRule]) -> None:
        self.rules = tuple(rules)
        self._graphs: dict[str, paths.Graph[Matcher]] = {}

    def extended(self, rules: Iterable[ReferenceRule]) -> Catalogue:
        """Return a catalogue with further rules, which win over these."""
        return Catalogue((*rules, *self.rules))

    def graph(self, kind_group: str) -> paths.Graph[Matcher]:
        """Return the paths of one kind, ``Deployment.apps`` or ``Secret``."""
        graph = self._graphs.get(kind_group)
        if graph is None:
            graph = self._graphs[kind_group] = paths.Graph(
                (path, matcher)
                for rule in self.rules
                for root in embedding.paths_in(kind_group, rule.kinds, rule.path)
                for path, matcher in _matchers(rule, root)
            )
        return graph


def _matchers(rule: ReferenceRule, path: str) -> Iterator[tuple[str, Matcher]]:
    if rule.form is Form.SELECTOR:
        for place, must_exist in forms.selector_paths(path):
            find = forms.FINDERS[Form.NAMESPACE]
            yield place, Matcher(rule.id, Form.NAMESPACE, find, must_exist)
    elif rule.form is Form.LIST:
        find = forms.FINDERS[Form.NAMESPACE]
        yield f"{path}[+]", Matcher(rule.id, Form.NAMESPACE, find, must_exist=True)
    else:
        must_exist = rule.form not in (Form.TEXT, Form.ENCODED_TEXT)
        yield path, Matcher(rule.id, rule.form, forms.FINDERS[rule.form], must_exist)


CATALOGUE = Catalogue((*custom.RULES, *builtin.RULES))
"""The built-in rows."""
