"""Which part of a growing line is translated, and what of its final is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.protocol.words import word_spans
from orch.speech.clause_ends import LONGEST, UNPUNCTUATED, clause_end
from orch.speech.clauses import GrowingTranslation, joined
from orch.speech.results import TranslatedText

WORDS = st.lists(
    st.sampled_from(
        (
            "one",
            "Two",
            "three,",
            "four.",
            "five?",
            "—",
            "six-seven",
            "“eight!”",
            "10,000",
            "東京",
            "へ、",
            "行く。",
        )
    ),
    max_size=40,
).map(" ".join)


def words(text: str) -> int:
    return len(word_spans(text))


def begun(line: str, settled: int | None = None, text: str = "translated") -> GrowingTranslation:
    """Return a translation after the first clause of a line."""
    clause = GrowingTranslation().next_clause(line, words(line) if settled is None else settled)
    assert clause is not None
    return GrowingTranslation().with_clause(clause, text, language="en", confidence=0.5)


@pytest.mark.parametrize(
    ("line", "settled", "expected"),
    [
        ("I think that it works, and", 6, "I think that it works,"),
        ("I think that it works, and", 5, "I think that it works,"),  # what follows may change
        ("I think that it works, and", 4, None),  # the clause itself may change
        ("I think that it works,", 5, None),  # an engine ends each hypothesis with punctuation
        ("Well, yes, of course, and", 5, "Well, yes, of course,"),
        ("Well, yes, and then he", 5, None),  # too short
        (
            "One two three four. Five six seven eight! Nine",
            9,
            "One two three four. Five six seven eight!",
        ),
        ("He said “it is over.” Then", 6, "He said “it is over.”"),
        ("It costs 10,000 in the shop", 6, None),
        ("Then he saw old Mr. Brown coming", 7, None),  # an abbreviation
        ("Then he saw old J. Brown coming", 7, None),  # an initial
        ("Then he saw the end. of it", 7, None),  # a full stop that was none
        ("明日は東京へ行きます。それ", 12, "明日は東京へ行きます。"),
        ("", 0, None),
        ("one two three four. five", 0, None),
    ],
)
def test_a_clause_ends_at_confirmed_punctuation(line: str, settled: int, expected: str | None) -> None:
    assert GrowingTranslation().next_clause(line, settled) == expected


@pytest.mark.parametrize(("begins", "longest"), [("", UNPUNCTUATED), ("One two three four, ", LONGEST)])
def test_a_long_part_without_punctuation_is_divided(begins: str, longest: int) -> None:
    """Sooner in a line that has no punctuation at all: its engine may never write any."""
    before = words(begins)
    line = (begins + "word " * (longest + 1)).strip()
    said = line.split()
    assert clause_end(said, begin=before, settled=before + longest) == before + longest
    assert clause_end(said, begin=before, settled=before + longest - 1) is None
    assert clause_end(said[:-1], begin=before, settled=before + longest) is None, "no word follows"


@pytest.mark.parametrize(
    ("line", "language", "expected"),
    [
        ("we went to the old house because it was raining", "en", "we went to the old house"),
        ("we went to the old house because it was raining", "en-GB", "we went to the old house"),
        ("we went to the old house because it was raining", "xx", None),
        ("we went to the old house because it was raining", None, None),
        ("we went and we came back home", "en", None),  # too short
        ("mañana iremos todos a la playa pero hoy no", "es", "mañana iremos todos a la playa"),
        ("amanhã vamos todos juntos à praia mas hoje", "pt", "amanhã vamos todos juntos à praia"),
        ("demain nous irons tous à la plage mais pas", "fr", "demain nous irons tous à la plage"),
        ("er sagt es uns allen immer wieder aber nie", "de", "er sagt es uns allen immer wieder"),
        ("it was built by the council of Bath and Bristol", "en", "it was built by the council of Bath"),
        ("it cost the town about two hundred and five in all", "en", None),  # a number
        ("We spoke yesterday, and we went to the old house because it", "en", None),
        (
            "We spoke, all of us together at the old house because it",
            "en",
            "We spoke, all of us together at the old house",
        ),
    ],
)
def test_a_long_clause_is_divided_before_a_conjunction(
    line: str, language: str | None, expected: str | None
) -> None:
    """Of the language that is spoken; after more words where the line has punctuation."""
    said = line.split()
    end = clause_end(said, begin=0 if "yesterday" not in line else 3, settled=len(said), language=language)
    assert (None if end is None else " ".join(said[:end])) == expected


@pytest.mark.parametrize(
    ("line", "longest"),
    [
        ("this is what we were all told last year in the old town by our Anna Miller here", LONGEST),
        ("this is what we were all told last year for about 20 000 or so", UNPUNCTUATED),
        ("this is what we were all told last year for about two hundred more", UNPUNCTUATED),
    ],
)
def test_a_name_or_a_number_is_not_divided(line: str, longest: int) -> None:
    """The last word that fits would be in the middle of it."""
    assert clause_end(line.split(), begin=0, settled=longest) == longest - 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("he had then leisure to consider how much there might be for", "he had then leisure to consider"),
        ("we had often been seen today in the red house of the", "we had often been seen today"),
        (
            "all men women children dogs cats mice birds sheep cows are the",
            "all men women children dogs cats mice birds sheep cows",
        ),
    ],
)
def test_a_clause_without_any_end_is_divided_before_a_preposition_or_after_a_noun(
    line: str, expected: str
) -> None:
    said = line.split()
    end = clause_end([*said, "word"], begin=0, settled=len(said), language="en")
    assert end is not None
    assert " ".join(said[:end]) == expected


@given(WORDS, st.data())
def test_clauses_and_the_rest_are_the_final(line: str, data: st.DataObject) -> None:
    """Whatever is settled when: each word is translated once, in order, and none is left out."""
    parts: list[str] = []
    growing = GrowingTranslation()
    settled = 0
    while settled < words(line):
        settled = data.draw(st.integers(settled + 1, words(line)))
        clause = growing.next_clause(line, settled, is_paused=data.draw(st.booleans()))
        if clause is not None:
            before = growing.words(line)
            parts.append(clause)
            growing = growing.with_clause(clause, clause, language="en", confidence=None)
            now = growing.words(line)
            assert before is not None
            assert now is not None
            assert before < now <= settled
    assert growing.kept(line, "en") == growing
    rest = growing.rest(line)
    translated, whole = "".join([*parts, rest]).replace(" ", ""), line.replace(" ", "")
    assert whole.startswith(translated)
    assert not whole[len(translated) :].strip("—"), "only a rest without letters is not translated"
    assert growing.completed(TranslatedText(rest)).text.startswith(growing.text)


@given(WORDS, WORDS)
def test_only_the_clauses_are_kept_with_which_the_final_begins(line: str, final: str) -> None:
    growing = GrowingTranslation()
    while (clause := growing.next_clause(line, words(line), is_paused=True)) is not None:
        growing = growing.with_clause(clause, "x", language="en", confidence=None)
    kept = growing.kept(final, "en")
    letters = "".join(filter(str.isalnum, final.casefold()))
    said = "".join(clause.letters for clause in kept.clauses)
    assert letters.startswith(said)
    assert growing.clauses[: len(kept.clauses)] == kept.clauses
    assert growing.after(kept).clauses == growing.clauses[len(kept.clauses) :]
    if not kept.clauses:
        assert kept.rest(final) == final


def test_a_changed_clause_and_those_after_it_are_translated_again() -> None:
    """What is before it stays as readers have it."""
    growing = begun("I think that it works, and", text="Creo que funciona,")
    clause = growing.next_clause("I think that it works, and so do they all, but", 11)
    assert clause == "and so do they all,"
    growing = growing.with_clause(clause, "y ellos también,", language="en", confidence=0.25)
    final = "I think that it works, and so do we all, but not today."
    kept = growing.kept(final, "en")
    assert kept.text == "Creo que funciona,"
    assert kept.rest(final) == "and so do we all, but not today."
    assert growing.after(kept).text == "y ellos también,"
    whole = kept.completed(TranslatedText("y nosotros también.", confidence=0.75))
    assert (whole.text, whole.confidence) == ("Creo que funciona, y nosotros también.", 0.5)


def test_capitals_punctuation_and_hyphens_may_change_until_the_final() -> None:
    growing = begun("i think it is ill-disposed, and")
    assert growing.words("i think it is ill-disposed, and") == 5
    final = "I think it is ill disposed. And so on."
    assert growing.kept(final, "en") == growing
    assert growing.words(final) == 6
    assert growing.rest(final) == "And so on."
    line = "I think it is ill disposed and what is left, is"
    assert growing.next_clause(line, 11) == "and what is left,"


def test_a_line_whose_settled_words_are_others_is_not_continued() -> None:
    growing = begun("I think that it works, and")
    assert growing.next_clause("We think that it works, and one two three, four", 11) is None


def test_of_a_final_in_another_language_nothing_is_kept() -> None:
    growing = begun("I think that it works, and")
    assert growing.kept("I think that it works, and so on", "de").clauses == ()
    assert growing.kept("I think that it works, and so on", "en-GB") == growing
    assert growing.kept("I think that it works, and so on", None) == growing


def test_what_was_not_begun_is_translated_as_it_is() -> None:
    assert GrowingTranslation().rest(" … ") == " … "
    rest = TranslatedText(" text ", confidence=0.25)
    assert GrowingTranslation().completed(rest) is rest


def test_the_confidence_is_the_lowest() -> None:
    growing = begun("I think that it works, and", text="Creo que funciona,")
    assert growing.completed(TranslatedText("y.", confidence=0.25)) == TranslatedText(
        "Creo que funciona, y.", confidence=0.25
    )
    assert growing.completed(TranslatedText("y.", confidence=0.75)).confidence == 0.5
    assert growing.completed(TranslatedText("y.")).confidence is None


def test_parts_are_joined_as_their_script_is_written() -> None:
    assert joined("Creo que ", " funciona") == "Creo que funciona"
    assert joined("私は、", "行く") == "私は、行く"
    assert joined("私は", "John") == "私は John"
    assert joined("", "x") == "x"
    assert joined("x", "") == "x"
