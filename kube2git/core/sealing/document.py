"""A clear object to a SOPS document and back, as ``sops`` itself reads and writes it.

Source of the format: sops.go and stores/stores.go of sops 3.11. Each value is bound to the keys
above it, and all values together, in the order in which they are written, to one MAC. SOPS leaves
some things unbound, and so does a format that is to stay SOPS: the *names* of keys whose values are
in clear, where one clear value ends and the next begins, and keys with an empty or no value.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kube2git.core import yamlio
from kube2git.core.sealing import cipher
from kube2git.core.sealing.cipher import Cipher
from kube2git.core.sealing.errors import (
    CannotSealError,
    MalformedSealError,
    TamperedError,
    WrongIdentityError,
)
from kube2git.core.sealing.keys import Identities, Recipients, Wrap
from kube2git.core.sealing.rules import SealRule, field_text
from kube2git.core.sealing.scope import DEFAULT_UNENCRYPTED_SUFFIX, Keys, Scope, ScopeError
from kube2git.core.wire import Json

BLOCK = "sops"
"""The key under which a file says how it is sealed."""

VERSION = "3.11.0"
"""The release of sops that this code is tested against."""

_MAC_ONLY_ENCRYPTED_START = hashlib.sha256(b"sops").digest()
"""Keeps MACs over sealed values alone apart from MACs over all."""

_HINT_RESTORE = "Restore the file from an earlier commit; change sealed files with `sops edit`."

_OWN_LISTS = ("age", "key_groups")

_Leaf = Callable[[Any, Keys, bool], Any]


def is_sealed(body: Json) -> bool:
    """Tell whether a decoded file is a SOPS document.

    The kinds called …SopsSecret carry a ``sops`` block as part of the object itself, for an
    operator in the cluster; such an object is left alone.
    """
    kind = body.get("kind")
    is_operators = isinstance(kind, str) and kind.endswith("SopsSecret")
    return isinstance(body.get(BLOCK), dict) and not is_operators


def recipients_of(body: Json) -> tuple[str, ...]:
    """Return the age recipients that a sealed file names; raise MalformedSealError."""
    return tuple(wrap.recipient for wrap in _wraps(_block(body)))


def other_keys_of(body: Json) -> tuple[str, ...]:
    """Return the key types besides age that a sealed file is sealed for: ``pgp``, ``kms``, …

    kube2git cannot seal for these, so whoever rewrites such a file takes it from their owners.
    """
    group = _group(_block(body))
    return tuple(sorted(name for name in group if name not in _OWN_LISTS and _keys(group, name)))


# ── Sealing ──────────────────────────────────────────────────────────────────────────────────


def seal(
    body: Json,
    rule: SealRule,
    recipients: Recipients,
    *,
    when: datetime,
    scope: Scope | None = None,
) -> Json:
    """Return the sealed document of a clear object, in the order in which yamlio writes it.

    ``when`` needs a time zone. ``scope`` replaces the rule's own, as a creation rule may ask for;
    it must seal at least what the rule seals. Raise CannotSealError, which names the field.
    """
    if BLOCK in body:
        raise CannotSealError(
            "The object has a field `sops` of its own, where the sealed file needs its own block.",
            hint="Leave this kind out of the fields to seal.",
        )
    if scope is None:
        scope = rule.scope
    else:
        rule.check(scope, body)
    if scope.hides_identity:
        raise CannotSealError(
            f"The setting {scope.setting} would seal the object's kind or name as well.",
            hint="Choose only the values, for instance with encrypted_regex: ^(data|stringData)$.",
        )
    leaf_cipher, data_key = Cipher.generate()
    mac = _start_mac(scope)

    def seal_leaf(value: Any, keys: Keys, in_scope: bool) -> Any:
        try:
            plain = cipher.plain_of(value)
        except ValueError as error:
            raise CannotSealError(
                f"The value of {field_text(keys)} cannot stand in a sealed file: {error}.",
                hint="Change that value, or leave the object out of the export.",
            ) from None
        if in_scope or not scope.mac_only_encrypted:
            mac.update(plain.data)
        return leaf_cipher.seal(plain, _bound_to(keys)) if in_scope else value

    sealed = _walk(yamlio.ordered(body), scope, seal_leaf)
    modified = when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    mac_text = cipher.plain_of(mac.hexdigest().upper())
    sealed[BLOCK] = {
        "age": [
            {"enc": wrap.armored, "recipient": wrap.recipient} for wrap in recipients.wrap(data_key)
        ],
        **scope.settings,
        "lastmodified": modified,
        "mac": leaf_cipher.seal(mac_text, modified.encode()),
        "version": VERSION,
    }
    return sealed


# ── Unsealing ────────────────────────────────────────────────────────────────────────────────


def unseal(body: Json, identities: Identities) -> Json:
    """Return the clear object of a sealed document whose keys stand in the order of its file.

    Raise WrongIdentityError, TamperedError, or MalformedSealError; none names a value.
    """
    header = _Header.of(body)
    leaf_cipher = Cipher(_data_key(header, body, identities))
    scope = header.scope
    mac = _start_mac(scope)

    def unseal_leaf(value: Any, keys: Keys, in_scope: bool) -> Any:
        if in_scope:
            value = _open_leaf(leaf_cipher, value, keys)
        if in_scope or not scope.mac_only_encrypted:
            mac.update(_plain_of(value, keys))
        return value

    clear = _walk({key: body[key] for key in body if key != BLOCK}, scope, unseal_leaf)
    try:
        expected = leaf_cipher.open(header.mac, header.modified.encode()).data
    except (cipher.UnreadableValueError, cipher.ForgedValueError):
        raise TamperedError(
            "The MAC of the file, or the time under which it was made, was changed "
            "(sops.mac, sops.lastmodified).",
            hint=_HINT_RESTORE,
        ) from None
    if not hmac.compare_digest(expected, mac.hexdigest().upper().encode()):
        raise TamperedError(
            "The values of the file do not fit its MAC: one that is in clear was changed, or "
            "values were added, removed or moved, without sops.",
            hint=_HINT_RESTORE,
        )
    return clear


@dataclass(frozen=True)
class _Header:
    """What a ``sops`` block says, as far as it is needed to open the file."""

    wraps: tuple[Wrap, ...]
    scope: Scope
    modified: str
    mac: str

    @classmethod
    def of(cls, body: Json) -> _Header:
        block = _block(body)
        try:
            scope = Scope.of(block)
        except ScopeError as error:
            raise MalformedSealError(
                f"The sops block of the file cannot be followed. {error}", hint="Open it with sops."
            ) from None
        modified, mac = block.get("lastmodified"), block.get("mac")
        if not (isinstance(modified, str) and isinstance(mac, str) and mac):
            raise MalformedSealError(
                "The sops block of the file lacks its mac or its lastmodified.", hint=_HINT_RESTORE
            )
        default = Scope(
            "unencrypted_suffix", DEFAULT_UNENCRYPTED_SUFFIX, bool(block.get("mac_only_encrypted"))
        )
        return cls(_wraps(block), scope or default, modified, mac)


def _data_key(header: _Header, body: Json, identities: Identities) -> bytes:
    data_key = identities.unwrap(header.wraps)
    if data_key is None:
        named = ", ".join(wrap.recipient for wrap in header.wraps)
        others = ", ".join(other_keys_of(body))
        if not named:
            raise WrongIdentityError(
                f"The file is not sealed for any age key, only for other keys ({others}).",
                hint="Open it with sops, and add an age recipient to it with `sops updatekeys`.",
            )
        raise WrongIdentityError(
            f"The file is sealed for {named}, and "
            + ("none of the identities given opens it." if identities else "no identity is given."),
            hint="Give the identity (private key) that belongs to one of these recipients.",
        )
    if len(data_key) != cipher.DATA_KEY_SIZE:
        raise MalformedSealError("The data key of the file has not 32 bytes.", hint=_HINT_RESTORE)
    return data_key


def _open_leaf(leaf_cipher: Cipher, value: Any, keys: Keys) -> cipher.Scalar:
    where = field_text(keys)
    if not isinstance(value, str):
        raise TamperedError(f"The value of {where} is in clear text.", hint=_HINT_RESTORE)
    try:
        return cipher.value_of(leaf_cipher.open(value, _bound_to(keys)))
    except cipher.UnreadableValueError:
        raise TamperedError(
            f"The value of {where} should be sealed, and is not, or is damaged.",
            hint=_HINT_RESTORE,
        ) from None
    except cipher.ForgedValueError:
        raise TamperedError(
            f"The value of {where} was changed, or comes from another place or another file.",
            hint=_HINT_RESTORE,
        ) from None


def _plain_of(value: Any, keys: Keys) -> bytes:
    try:
        return cipher.plain_of(value).data
    except ValueError as error:
        raise MalformedSealError(
            f"The value of {field_text(keys)} cannot stand in a sealed file: {error}.",
            hint=_HINT_RESTORE,
        ) from None


# ── The format ───────────────────────────────────────────────────────────────────────────────


def _walk(body: Json, scope: Scope, leaf: _Leaf) -> Json:
    """Return ``body`` with every value but null replaced by what ``leaf`` makes of it, in order."""

    def walk(node: Any, keys: Keys, named: bool) -> Any:
        if isinstance(node, dict):
            return {
                key: walk(value, (*keys, key), named or scope.names(key))
                for key, value in node.items()
            }
        if isinstance(node, list):
            return [walk(item, keys, named) for item in node]
        return None if node is None else leaf(node, keys, scope.is_sealed(named))

    result: Json = walk(body, (), False)
    return result


def _bound_to(keys: Keys) -> bytes:
    return f"{':'.join(keys)}:".encode("utf-8", "surrogatepass")


def _start_mac(scope: Scope) -> hashlib._Hash:
    return hashlib.sha512(_MAC_ONLY_ENCRYPTED_START if scope.mac_only_encrypted else b"")


def _block(body: Json) -> Mapping[str, Any]:
    block = body.get(BLOCK)
    if not isinstance(block, dict):
        raise MalformedSealError("The file has no sops block: it is not sealed.")
    return block


def _group(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the mapping that holds the lists of wrapped keys, by key type."""
    groups = _keys(block, "key_groups")
    if not groups or any(_keys(block, name) for name in block.keys() - {"key_groups"}):
        return block
    if len(groups) > 1:
        raise MalformedSealError(
            f"The data key of the file is split between {len(groups)} key groups, "
            "which kube2git does not support.",
            hint="Open it with sops, or seal it again for one group.",
        )
    return groups[0]


def _wraps(block: Mapping[str, Any]) -> tuple[Wrap, ...]:
    wraps = []
    for key in _keys(_group(block), "age"):
        recipient, armored = key.get("recipient"), key.get("enc")
        if not (isinstance(recipient, str) and isinstance(armored, str)):
            raise MalformedSealError(
                "An entry of sops.age lacks its recipient or its enc.", hint=_HINT_RESTORE
            )
        wraps.append(Wrap(recipient, armored))
    return tuple(wraps)


def _keys(block: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = block.get(name)
    return [key for key in value if isinstance(key, dict)] if isinstance(value, list) else []
