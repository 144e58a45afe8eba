"""Claims about a control plane hold for the answers that a real API server gives."""

from __future__ import annotations

import pytest

from tests.controlplane.connection import Response
from tests.controlplane.readiness import has_condition

ESTABLISHED = b'{"status": {"conditions": [{"type": "Established", "status": "True"}]}}'
REFUSED = b'{"status": {"conditions": [{"type": "Established", "status": "False"}]}}'
JUST_MADE = b'{"status": {"conditions": null}}'  # what a definition says at first


@pytest.mark.parametrize(
    ("body", "claim"), [(ESTABLISHED, True), (REFUSED, False), (JUST_MADE, False), (b"{}", False)]
)
def test_a_condition_holds_when_the_object_says_so(body: bytes, claim: bool) -> None:
    assert has_condition(lambda _: Response(200, {}, body), "/any", "Established") is claim


def test_an_object_that_is_not_there_has_no_condition() -> None:
    assert not has_condition(lambda _: Response(404, {}, ESTABLISHED), "/any", "Established")
