from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.adapters.kube.retrying import APPLY, Backoff, is_repeatable, is_worth_repeating

unit = st.floats(0, 1)


@given(st.integers(1, 50), unit)
def test_waits_grow_to_a_limit_and_are_spread_over_half_of_themselves(
    attempt: int, jitter: float
) -> None:
    backoff = Backoff(first=0.5, longest=8.0)
    whole = min(0.5 * 2 ** (attempt - 1), 8.0)
    assert whole / 2 <= backoff.delay(attempt, None, jitter) <= whole
    assert backoff.delay(attempt, None, 0.0) == whole / 2
    assert backoff.delay(attempt, None, 1.0) == whole


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("3", 3.0), ("0", 0.1), ("900", 30.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.1), ("", 0.1)],
)
def test_the_server_may_ask_for_more_but_not_for_everything(asked: str, waited: float) -> None:
    backoff = Backoff(first=0.2, longest=8.0, longest_asked=30.0)
    assert backoff.delay(1, asked, 0.0) == waited


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_can_be_repeated_is_repeated(method: str, status: int) -> None:
    assert is_worth_repeating(status, method, "application/json")


@pytest.mark.parametrize("status", [200, 304, 400, 403, 404, 409, 410, 422, 501])
def test_answers_that_will_not_change_are_final(status: int) -> None:
    assert not is_worth_repeating(status, "GET", "")


def test_a_creation_is_repeated_only_when_it_was_turned_away_before_it_began() -> None:
    assert is_worth_repeating(429, "POST", "application/json")
    assert not is_worth_repeating(503, "POST", "application/json")
    assert not is_repeatable("POST", "application/json")


def test_of_patches_only_an_apply_can_be_repeated() -> None:
    assert is_repeatable("PATCH", APPLY)
    assert not is_repeatable("PATCH", "application/json-patch+json")
