"""What the settings choose: objects, rules of cleaning, and what a replay may do and change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kube2git.config import ConfigError, Settings
from kube2git.core.selection import Patterns, Selection
from kube2git.errors import UsageError

if TYPE_CHECKING:
    from kube2git.core.cleaning import RuleSet
    from kube2git.core.planning.policy import Policy
    from kube2git.core.remap.catalogue import Catalogue
    from kube2git.core.remap.transforms import Transform


def selection(settings: Settings) -> Selection:
    """Return what the settings select."""
    chosen = settings.export
    return Selection(
        Patterns(chosen.namespaces),
        Patterns(chosen.kinds),
        chosen.selector,
        chosen.cluster_scoped,
    )


def rules(settings: Settings) -> RuleSet:
    """Return the catalogue with the changes of the settings; raise ConfigError."""
    from kube2git.core.cleaning import RuleError, RuleSet

    chosen = settings.cleaning
    try:
        return RuleSet.default().with_changes(
            disabled=chosen.disable, enabled=chosen.enable, extra=chosen.rules
        )
    except RuleError as error:
        raise ConfigError("the section cleaning", list(error.problems)) from None


def policy(settings: Settings, **choices: Any) -> Policy:
    """Return the policy of a replay: the settings, and choices that are fields of Policy.

    ``take_over`` and ``yield_to`` are further managers, beside those of the settings.
    """
    from kube2git.core.planning.policy import Policy
    from kube2git.core.planning.stances import DEFAULT_RULES, OwnerRule, Stance
    from kube2git.core.sealing import seal_rules
    from kube2git.flows.replaying import ASKED

    chosen = settings.replay
    taken = (*choices.pop("take_over", ()), *chosen.take_over)
    yielded = (*choices.pop("yield_to", ()), *chosen.yield_to)
    return Policy(
        prune_limit=chosen.prune_limit,
        protected=frozenset(chosen.protected_namespaces),
        sealed_kinds=frozenset(seal_rules(settings.sealing.fields)),
        owners=(
            *(OwnerRule(manager, Stance.TAKE_OVER, ASKED) for manager in taken),
            *(OwnerRule(manager, Stance.YIELD, ASKED) for manager in yielded),
            *DEFAULT_RULES,
        ),
        **choices,
    )


def transforms(settings: Settings) -> tuple[Transform, ...]:
    """Return what changes objects on the way to the target; raise UsageError."""
    from kube2git.core import yamlio
    from kube2git.core.remap import velero
    from kube2git.core.remap.patches import parse_patches
    from kube2git.core.remap.substitutions import ImageMap, StorageClassMap

    chosen = settings.replay
    found: list[Transform] = []
    if chosen.storage_classes:
        found.append(StorageClassMap.parse(chosen.storage_classes))
    if chosen.images:
        found.append(ImageMap.parse(chosen.images))
    found += parse_patches(chosen.patches)
    if chosen.resource_modifiers:
        path = Path(chosen.resource_modifiers).expanduser()
        try:
            body = yamlio.decode(path.read_bytes(), source=str(path))
        except OSError as error:
            raise UsageError(f"the file {path} cannot be read: {error.strerror}") from None
        except yamlio.YamlError as error:
            raise ConfigError(str(path), [error.without_source()]) from None
        found.append(velero.parse(body, lambda text: yamlio.decode(text.encode())))
    return tuple(found)


def zones(settings: Settings) -> Mapping[str, str]:
    """Return which zone a restored volume is made in, by the recorded one; raise UsageError."""
    from kube2git.core.remap.substitutions import parse_pairs

    return parse_pairs(settings.replay.zones, "zone map", "eu-west-1a=eu-central-1b")


def references(settings: Settings) -> Catalogue:
    """Return the catalogue of references with the rows of the settings; raise UsageError."""
    from kube2git.core.remap.catalogue import CATALOGUE
    from kube2git.core.remap.references import parse_rules

    return CATALOGUE.extended(parse_rules(settings.replay.references))


def inputs(settings: Settings) -> str:
    """Return the identity of the settings that change objects on the way to the target."""
    from kube2git.core import wire

    chosen = settings.replay
    given = [
        chosen.storage_classes,
        chosen.zones,
        chosen.images,
        list(map(dict, chosen.patches)),
        list(map(dict, chosen.references)),
    ]
    if chosen.resource_modifiers:
        given.append(Path(chosen.resource_modifiers).expanduser().read_text())
    return wire.digest(given) if any(given) else ""
