"""Recipients and identities: what is read, what is refused, and that no private key is repeated."""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from itertools import count

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from kube2git.core.sealing import (
    Identities,
    PassphraseError,
    Recipients,
    SealingKeyError,
    new_identity,
)
from tests.unit.core.sealing.samples import ALICE, BOB, WHEN, Pair, ssh_pair

KEY = bytes(range(32))


def secret_part(pair: Pair) -> str:
    """Return the line of an identity file that nobody may see."""
    return pair.private.splitlines()[-1]


# ── Recipients ───────────────────────────────────────────────────────────────────────────────


def test_recipients_are_sorted_and_each_stands_once() -> None:
    texts = [ALICE.public, BOB.public, f"  {ALICE.public.upper()}\n"]
    assert Recipients.parse(texts).texts == tuple(sorted({ALICE.public, BOB.public}))


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_the_comment_of_an_ssh_key_does_not_count(kind: str) -> None:
    public = ssh_pair(kind).public
    with_comment = Recipients.parse([f"{public} me, myself@home"])
    assert with_comment == Recipients.parse([public])
    assert with_comment.texts == (public,)
    assert hash(with_comment) == hash(Recipients.parse([public]))


@pytest.mark.parametrize("pair", [ALICE, ssh_pair("ed25519"), ssh_pair("rsa")])
def test_a_wrapped_key_opens_with_the_identity(pair: Pair) -> None:
    wraps = Recipients.parse([pair.public, BOB.public]).wrap(KEY)
    assert {wrap.recipient for wrap in wraps} == {pair.public, BOB.public}
    assert pair.identities.unwrap(wraps) == KEY
    assert new_pair().identities.unwrap(wraps) is None


def new_pair() -> Pair:
    return Pair(*new_identity(WHEN))


EC = ec.generate_private_key(ec.SECP256R1()).public_key()
SMALL_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()


def ssh_text(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    ).decode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a public key"),
        ("age1abc", "damaged or too short"),
        (ALICE.public[:-1], "damaged or too short"),
        ("age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "damaged"),
        (ssh_text(EC), "not a public key"),
        (ssh_text(SMALL_RSA), "damaged or too short"),
        ("ssh-ed25519", "not a public key"),
        ("ssh-ed25519 AAAA", "damaged"),
        ("alice@example.com", "not a public key"),
    ],
    ids=count(),
)
def test_what_is_no_recipient_is_refused_by_its_place(text: str, says: str) -> None:
    with pytest.raises(SealingKeyError, match=f"^Recipient 2 .*{says}") as caught:
        Recipients.parse([ALICE.public, text])
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_no_recipient_is_refused() -> None:
    with pytest.raises(SealingKeyError, match="No recipient"):
        Recipients.parse([])


@pytest.mark.parametrize(
    "private",
    [
        ALICE.private,
        secret_part(ALICE).lower(),
        ssh_pair("ed25519").private,
        "AGE-PLUGIN-YUBIKEY-1QQ",
    ],
    ids=count(),
)
def test_a_private_key_among_the_recipients_is_not_repeated(private: str) -> None:
    with pytest.raises(SealingKeyError, match="Recipient 1 is a private key") as caught:
        Recipients.parse([private])
    shown = str(caught.value) + caught.value.hint + repr(caught.value)
    assert not any(line in shown for line in private.splitlines())


# ── Identities ───────────────────────────────────────────────────────────────────────────────


def test_a_new_identity_is_a_file_as_of_age_keygen() -> None:
    text, recipient = new_identity(WHEN)
    assert text.splitlines()[0] == "# created: 2026-03-01T12:30:05+00:00"
    assert text.splitlines()[1] == f"# public key: {recipient}"
    assert Identities.parse(text).recipients == {recipient}
    assert new_identity(WHEN)[1] != recipient


def test_several_files_and_several_keys_in_a_file_are_all_used() -> None:
    both = Identities.parse(
        f"\n# two keys\n{secret_part(ALICE)}\r\n\n  {secret_part(BOB)}  \n",
        ssh_pair("ed25519").private.encode(),
    )
    assert len(both) == 3
    assert both.recipients == {ALICE.public, BOB.public}
    for pair in (ALICE, BOB, ssh_pair("ed25519")):
        assert both.unwrap(pair.recipients.wrap(KEY)) == KEY


def test_an_ssh_key_of_the_older_form_is_read() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    wraps = Recipients.parse([public.decode()]).wrap(KEY)
    assert Identities.parse(pem).unwrap(wraps) == KEY


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no identity"),
        ("# only a comment\n", "holds no identity"),
        (f"{secret_part(ALICE)}\nnonsense", "Line 2 .* is none"),
        (secret_part(ALICE)[:-2], "Line 1 .* is none"),
        (ALICE.public, "Line 1 .* is none"),
        ("AGE-PLUGIN-YUBIKEY-1QQQQ", "Line 1 .* of an age plugin"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n!\n-----END OPENSSH PRIVATE KEY-----", "not of a"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "not of a kind"),
    ],
    ids=count(),
)
def test_what_is_no_identity_is_refused_without_repeating_it(text: str, says: str) -> None:
    with pytest.raises(SealingKeyError, match=says) as caught:
        Identities.parse(text)
    shown = str(caught.value) + caught.value.hint
    assert "SECRET-KEY-1" not in shown.replace("AGE-SECRET-KEY-1…", "")
    assert not any(line in shown for line in text.splitlines() if line)


def test_a_key_of_another_kind_is_refused() -> None:
    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    with pytest.raises(SealingKeyError, match="not of a kind"):
        Identities.parse(private)


# An identity made for this test, protected by "open sesame" with next to no work factor.
PROTECTED_RECIPIENT = "age16xzkh068gq9wn3gaw7krdmhxwcmg7wqg8mln2am66d7zfmc8egrsyu8u7f"
ARMORED = """\
-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBrNGJPaFpCVU14b1JKNisz
MFJDWWZnIDIKTld4S1JWdy9hZkxHSzU5S0tQdkxDOWhqWXdzcW5pcVZPTDlWQWpt
Mjd2WQotLS0gbDZlTjI1YXUrNGJ4WFdWdW9JSG9ZMnN3MTQyQ3I2Y3IxTGpBTkRP
bXJPRQpT8MBu30W346ijmaBwFW/aNIHewR4lPkelcFQX2HCMHTxQ4IuiVEQ0UUWi
XInmLJ/8erHpAeHiA639l+DF3tcVkqpjgzSrtZBVG6+pq2dlV7F4l6NZGX19KgCC
3l+i2qhSwDX/k0zfFtvJoSzuYdknc6YCUiKsEoevCcaGwYXyz5sjSHi+rOGE6zgd
p9rqAzuHWPseMXsRqsPqr0ozrIBa8U9SdTqfrjmdXlXs4ceIX6E38WAkvVVU
-----END AGE ENCRYPTED FILE-----
"""
BINARY = b64decode("".join(ARMORED.splitlines()[1:-1]))


@pytest.mark.parametrize("file", [BINARY, ARMORED, "\n" + ARMORED], ids=["binary", "text", "blank"])
def test_a_protected_identity_file_opens_with_its_passphrase(file: str | bytes) -> None:
    identities = Identities.parse(file, passphrase="open sesame")
    assert identities.recipients == {PROTECTED_RECIPIENT}
    with pytest.raises(PassphraseError, match="none was given") as caught:
        Identities.parse(file)
    assert "sealing.passphrase_variable" in caught.value.hint
    with pytest.raises(PassphraseError, match="does not open with the passphrase") as caught:
        Identities.parse(file, passphrase="wrong guess")
    assert "wrong guess" not in str(caught.value) + caught.value.hint


def protected_openssh_key() -> str:
    """Return the head of a protected key; what follows it is not looked at."""
    head = b"openssh-key-v1\0" + struct.pack(">I", 10) + b"aes256-ctr" + struct.pack(">I", 6)
    body = b64encode(head + b"bcrypt" + bytes(100)).decode()
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n"


def protected_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"open sesame"),
    ).decode()


@pytest.mark.parametrize("text", [protected_openssh_key(), protected_pem()], ids=["new", "old"])
def test_a_protected_ssh_key_is_told_so(text: str) -> None:
    with pytest.raises(PassphraseError, match="SSH private key is protected") as caught:
        Identities.parse(text, passphrase="open sesame")
    assert "ssh-keygen -p" in caught.value.hint


@given(st.one_of(st.text(), st.binary()))
def test_whatever_is_given_ends_in_an_error_of_ours(data: str | bytes) -> None:
    with pytest.raises(SealingKeyError):
        Identities.parse(data)
    if isinstance(data, str):
        with pytest.raises(SealingKeyError):
            Recipients.parse([data])


def test_reprs_show_public_keys_only() -> None:
    assert repr(ALICE.recipients) == f"Recipients({ALICE.public})"
    assert repr(ALICE.identities) == "Identities(1 keys)"
