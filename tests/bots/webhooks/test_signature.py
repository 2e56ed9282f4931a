"""Signatures of webhooks, against the vectors of the specification's own libraries."""

import base64
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.webhooks.signature import (
    MOST_SECRETS,
    OVERLAP,
    Secret,
    SecretError,
    SigningKeys,
    VerificationError,
    read_secret,
    sign,
    signed_headers,
    verify,
    write_secret,
)

EXAMPLE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'
AT = 1614265330


def headers(at: float = AT, *secrets: Secret) -> dict[str, str]:
    return dict(signed_headers(MESSAGE, at, BODY, secrets or (read_secret(EXAMPLE),)))


def other(number: int) -> Secret:
    return Secret(bytes([number]) * 32)


def test_the_signature_is_that_of_the_reference_libraries() -> None:
    """The vector of standard-webhooks' test "sign function works", the same in all of its languages."""
    signature = sign(read_secret(EXAMPLE), MESSAGE, AT, BODY)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_headers_have_the_names_and_the_whole_seconds_of_the_specification() -> None:
    """Integer seconds, rounded down; names in lower case."""
    assert headers(AT + 0.999) == {
        "webhook-id": MESSAGE,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("at", [AT - 300, AT, AT + 300])
def test_a_signed_request_is_verified_within_five_minutes(at: float) -> None:
    """The clocks of both sides differ."""
    verify(headers(), BODY, [read_secret(EXAMPLE)], at)


@pytest.mark.parametrize("at", [AT - 301, AT + 301])
def test_a_request_of_another_time_is_refused(at: float) -> None:
    """It is a replay, or a clock is wrong."""
    with pytest.raises(VerificationError, match="300 s"):
        verify(headers(), BODY, [read_secret(EXAMPLE)], at)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_required(name: str) -> None:
    """And named in the error."""
    with pytest.raises(VerificationError, match=name):
        verify({**headers(), name: ""}, BODY, [read_secret(EXAMPLE)], AT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-timestamp", "hello"),
        ("webhook-timestamp", "1614265330.0"),
        ("webhook-timestamp", "9" * 5000),
        ("webhook-signature", "v1,dawfeoifkpqwoekfpqoekf"),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1,g0hM9S"),
        ("webhook-signature", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ("webhook-signature", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ("webhook-signature", "v1,\xff\u20ac"),
        ("webhook-signature", "   "),
        ("webhook-id", "msg_other"),
        ("webhook-id", "msg_\udcff"),
    ],
)
def test_a_changed_header_is_refused(name: str, value: str) -> None:
    """The cases of the reference libraries, and stranger ones: none passes, none is another error."""
    with pytest.raises(VerificationError):
        verify({**headers(), name: value}, BODY, [read_secret(EXAMPLE)], AT)


def test_a_changed_body_is_refused() -> None:
    """A space is enough."""
    with pytest.raises(VerificationError):
        verify(headers(), BODY + b" ", [read_secret(EXAMPLE)], AT)


def test_the_names_of_headers_may_have_capitals() -> None:
    """Frameworks change them."""
    verify({name.title(): value for name, value in headers().items()}, BODY, [read_secret(EXAMPLE)], AT)


def test_one_right_signature_among_others_is_enough() -> None:
    """Of other secrets, other versions, and what is no signature at all."""
    wrong = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
    right = headers()["webhook-signature"]
    signatures = f"v1,{wrong} v2,{wrong} v1a,{wrong} x {right} v1,{wrong}"
    verify({**headers(), "webhook-signature": signatures}, BODY, [read_secret(EXAMPLE)], AT)


def test_while_a_secret_is_replaced_receivers_with_either_accept() -> None:
    """And after the overlap only those with the new one."""
    old, new = other(1), other(2)
    keys = SigningKeys(old).rotated(new, AT)
    during = headers(AT + OVERLAP - 1, *keys.at(AT + OVERLAP - 1))
    assert during["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        verify(during, BODY, [secret], AT + OVERLAP - 1)
    after = headers(AT + OVERLAP, *keys.at(AT + OVERLAP))
    verify(after, BODY, [new], AT + OVERLAP)
    with pytest.raises(VerificationError):
        verify(after, BODY, [old], AT + OVERLAP)


def test_a_secret_that_others_know_ends_at_once() -> None:
    """Without overlap nothing of before signs any more, earlier replacements neither."""
    keys = SigningKeys(other(1)).rotated(other(2), AT).rotated(other(3), AT + 1, overlap=0)
    assert keys.at(AT + 1) == (other(3),)


def test_the_signatures_of_one_request_are_bounded() -> None:
    """However often a secret is replaced."""
    keys = SigningKeys(other(0))
    for number in range(1, 20):
        keys = keys.rotated(other(number), AT + number)
    assert keys.at(AT + 20) == tuple(other(number) for number in range(19, 19 - MOST_SECRETS, -1))


def test_a_secret_is_not_replaced_by_itself() -> None:
    """And one that comes back signs once."""
    with pytest.raises(SecretError):
        SigningKeys(other(1)).rotated(other(1), AT)
    back = SigningKeys(other(1)).rotated(other(2), AT).rotated(other(1), AT + 1)
    assert back.at(AT + 2) == (other(1), other(2))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_####",
        "whsec_MfKQ",
        base64.b64encode(bytes(65)).decode(),
        "sécret" * 10,
        "whsec_QQQQQ",
    ],
)
def test_what_is_no_secret_is_refused_without_quoting_it(text: str) -> None:
    """Too short, too long, no base64."""
    with pytest.raises(SecretError) as caught:
        read_secret(text)
    secret = text.removeprefix("whsec_")
    assert not secret or secret not in str(caught.value)


def test_a_secret_is_not_shown() -> None:
    """Not in a log, not in a traceback."""
    assert repr(SigningKeys(other(1))) == "SigningKeys(current=Secret(), replaced=())"


@given(st.binary(min_size=24, max_size=64))
def test_a_written_secret_is_read_back(key: bytes) -> None:
    """With prefix and without, with padding and without."""
    text = write_secret(Secret(key))
    assert text.startswith("whsec_")
    for form in (text, text.removeprefix("whsec_"), text.rstrip("="), f" {text}\n"):
        assert read_secret(form) == Secret(key)


@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "a\r\nx: y", "x" * 129, "ü"])
def test_an_id_cannot_shift_what_is_signed(message_id: str) -> None:
    """No full stop, nothing that is not a header's value."""
    with pytest.raises(ValueError, match="expected an id"):
        sign(other(1), message_id, AT, BODY)


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_two_bodies_have_two_signatures(first: bytes, second: bytes) -> None:
    """The same only for the same bytes."""
    same = sign(other(1), MESSAGE, AT, first) == sign(other(1), MESSAGE, AT, second)
    assert same == (first == second)


def documented_verify(now: float) -> Any:
    """Return the function that the documents show to receivers, at a time."""
    text = (Path(__file__).parents[3] / "docs" / "bots.md").read_text(encoding="utf-8")
    (code,) = (each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def verify" in each)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the example of the documents
    names["time"] = SimpleNamespace(time=lambda: now)
    return names["verify"]


def test_the_example_of_the_documents_verifies() -> None:
    """A receiver can copy it: it works while a secret is replaced, and refuses what it should."""
    keys = SigningKeys(read_secret(EXAMPLE)).rotated(other(2), AT)
    signed = headers(AT, *keys.at(AT))
    for secret in (EXAMPLE, write_secret(other(2))):
        documented_verify(AT + 300)(signed, BODY, secret)
    for at, body, secret in (
        (AT + 301, BODY, EXAMPLE),
        (AT, BODY + b" ", EXAMPLE),
        (AT, BODY, write_secret(other(3))),
    ):
        with pytest.raises(ValueError, match=r"too old|not signed"):
            documented_verify(at)(signed, body, secret)
