"""Words at which a long clause is divided, and words that it must not end with, by language. Pure.

Not complete: what is not listed is only divided less well. Words are in lower case, without punctuation.
"""

from typing import Final


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


CONJUNCTIONS: Final = {
    "en": _set("and but or because although though while when where which who whose if unless until whereas"),
    "es": _set("y e pero o porque aunque mientras cuando donde quien si sino pues"),
    "pt": _set("e mas ou porque embora enquanto quando onde quem pois porém"),
    "fr": _set("et mais ou parce car quand lorsque où qui si tandis puisque donc"),
    "de": _set("und aber oder denn weil obwohl während wenn wo dass sondern damit"),
    "it": _set("e ma o perché mentre quando dove se poiché anche"),
}
"""Words that begin a clause which can be translated alone. Not those that are more often something else
("that", "que": also a pronoun)."""

PREPOSITIONS: Final = {
    "en": _set(
        "to in on at for with from by about into than as that how what why after before during without"
    ),
    "es": _set("a en para con desde por sobre como que según sin hasta tras"),
    "pt": _set("a em no na para com desde por sobre como que sem até após"),
    "fr": _set("à en dans pour avec depuis par sur comme que sans chez jusque après"),
    "de": _set("zu in im auf für mit von bei über nach vor aus ohne wie was"),
    "it": _set("a in per con da su come che senza fino dopo"),
}
"""Words before which a clause is divided that is too long, where there is no conjunction."""

UNFINISHED: Final = {
    "en": _set(
        "a an the this that these those my your his her its our their some any no every of to in on at for "
        "with from by about into than as is are was were be been am have has had do does did will would can "
        "could may might must shall should not very more most rather how much many there it we you they i he "
        "she who which and or but if"
    ),
    "es": _set(
        "el la los las un una unos unas de del al a en para con por su sus mi tu que y o no se es son muy"
    ),
    "pt": _set("o a os as um uma uns umas de do da em no na para com por seu sua que e ou não é são"),
    "fr": _set(
        "le la les un une des du de à au aux en dans pour avec par sur son sa ses mon que et ou ne est"
    ),
    "de": _set("der die das den dem des ein eine einen einem zu in im auf für mit von und oder nicht"),
    "it": _set("il lo la i gli le un una di del della a in per con da su che e o non è"),
}
"""Words with which no part of a sentence ends: articles, prepositions, auxiliaries."""

ABBREVIATIONS: Final = _set(
    "mr mrs ms dr st prof sr sra srta dra mme mlle hr fr no nr approx vs gen col rev hon jr av ave"
)
"""Words whose full stop ends nothing, in all of these languages."""

AND: Final = frozenset({"and", "y", "e", "et", "und"})
"""May be in the middle of a number: "two hundred and five"."""

NUMBERS: Final = _set(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand "
    "million billion point "
    "dos tres cuatro cinco seis siete ocho nueve diez veinte treinta cuarenta cincuenta sesenta "
    "setenta ochenta noventa cien ciento mil "
    "dois três quatro sete oito nove dez vinte trinta quarenta cinquenta sessenta oitenta cem cento "
    "deux trois cinq sept huit neuf dix vingt trente quarante cinquante soixante cent mille "
    "zwei drei vier fünf sechs sieben acht neun zehn zwanzig dreißig vierzig hundert tausend"
)
"""Numbers as words, in all of these languages."""
