"""The language of a stream without a chosen one: a guess is not shown, and a sure one holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.speech.languages import AUTO
from orch.speech.results import Transcription
from orch.speech.stream_language import StreamLanguage


def answer(language: str | None = "en", probability: float | None = None) -> Transcription:
    return Transcription(text="hello", language=language, language_probability=probability)


@pytest.mark.parametrize(
    ("requested", "probability", "seconds", "expected"),
    [
        ("en", 0.1, 0.5, True),  # nothing was detected
        ("auto", 0.43, 4.0, False),
        ("auto", 0.43, 5.0, True),
        ("auto", 0.97, 0.7, True),
        ("auto", None, 1.0, False),
        ("auto", None, 2.5, True),
    ],
)
def test_a_language_is_sure_if_it_is_probable_or_the_sound_is_long(
    requested: str, probability: float | None, seconds: float, expected: object
) -> None:
    found = StreamLanguage(AUTO).is_sure(
        answer(probability=probability), requested=requested, seconds=seconds
    )
    assert found is expected


def test_a_sure_language_is_requested_for_revisions_and_detected_again_otherwise() -> None:
    language = StreamLanguage(AUTO)
    assert language.to_request(is_revision=True) == AUTO
    language = language.recognised(answer("fr", 0.9), requested=AUTO, seconds=1.0, is_final=False)
    assert language.to_request(is_revision=True) == "fr"
    assert language.to_request(is_revision=False) == AUTO


def test_only_a_sure_final_changes_the_language_that_holds() -> None:
    language = StreamLanguage(AUTO, "fr")
    for probability, is_final in ((0.9, False), (0.3, True)):
        said = answer("en", probability)
        assert language.recognised(said, requested=AUTO, seconds=2.0, is_final=is_final) == language
    assert language.recognised(answer("en", 0.9), requested=AUTO, seconds=2.0, is_final=True).known == "en"


def test_what_the_engine_was_given_is_no_detection() -> None:
    """It repeats the code, perhaps as certain."""
    language = StreamLanguage(AUTO)
    assert language.recognised(answer("fr", 1.0), requested="fr", seconds=9.0, is_final=True) == language


def test_an_unsure_language_is_replaced_by_the_one_that_holds() -> None:
    said = answer("yo", 0.43)
    assert StreamLanguage(AUTO, "en").corrected(said, requested=AUTO, seconds=1.0).language == "en"
    assert StreamLanguage(AUTO).corrected(said, requested=AUTO, seconds=1.0).language is None
    assert StreamLanguage(AUTO).corrected(answer("yo"), requested=AUTO, seconds=1.0).language == "yo"
    assert StreamLanguage(AUTO).corrected(answer(None), requested="fr", seconds=1.0).language == "fr"


def test_a_chosen_language_is_always_requested() -> None:
    language = StreamLanguage("de")
    for is_revision in (True, False):
        assert language.to_request(is_revision=is_revision) == "de"
    assert language.recognised(answer("en", 0.99), requested="de", seconds=9, is_final=True) == language


@given(
    st.lists(
        st.tuples(
            st.sampled_from((None, "en", "fr", "yo")),
            st.none() | st.floats(0, 1),
            st.floats(0, 15),
            st.booleans(),
        )
    )
)
def test_between_sure_finals_revisions_are_all_in_one_language(
    answers: list[tuple[str | None, float | None, float, bool]],
) -> None:
    language = StreamLanguage(AUTO)
    for code, probability, seconds, is_final in answers:
        requested = language.to_request(is_revision=not is_final)
        before = language
        language = language.recognised(
            answer(code, probability), requested=requested, seconds=seconds, is_final=is_final
        )
        if before.known is not None and not is_final:
            assert language == before
        if before.known is not None:
            assert language.known is not None
