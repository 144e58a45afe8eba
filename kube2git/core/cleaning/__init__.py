"""Cleaning: what the server filled in goes, what a person meant stays.

The rules are data (``catalogue``), their conditions small pure functions (``conditions.py``), and
one engine applies them. Above all rules: a kept default is noise, a dropped intent is data loss.
"""

from kube2git.core.cleaning.context import REHEARSAL, Context, ContextBuilder
from kube2git.core.cleaning.engine import Cleaned, Cleaner, Explanation, Finding
from kube2git.core.cleaning.ownership import manager_of
from kube2git.core.cleaning.rules import Action, Rule, RuleError
from kube2git.core.cleaning.ruleset import RuleSet

__all__ = [
    "REHEARSAL",
    "Action",
    "Cleaned",
    "Cleaner",
    "Context",
    "ContextBuilder",
    "Explanation",
    "Finding",
    "Rule",
    "RuleError",
    "RuleSet",
    "manager_of",
]
