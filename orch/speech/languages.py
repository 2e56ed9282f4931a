"""Language codes: which are the same language, which one a back end means.

Codes are BCP 47 tags; two are the same language when their primary subtags are (``en-US`` and ``en``).
Servers in OpenAI's dialect name the language in English instead ("english"), as Whisper's tokenizer does.
"""

from collections.abc import Collection
from typing import Final

AUTO: Final = "auto"

# Whisper's languages, as its tokenizer names them.
NAMES: Final = {
    "af": "afrikaans",
    "am": "amharic",
    "ar": "arabic",
    "as": "assamese",
    "az": "azerbaijani",
    "ba": "bashkir",
    "be": "belarusian",
    "bg": "bulgarian",
    "bn": "bengali",
    "bo": "tibetan",
    "br": "breton",
    "bs": "bosnian",
    "ca": "catalan",
    "cs": "czech",
    "cy": "welsh",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fo": "faroese",
    "fr": "french",
    "gl": "galician",
    "gu": "gujarati",
    "ha": "hausa",
    "haw": "hawaiian",
    "he": "hebrew",
    "hi": "hindi",
    "hr": "croatian",
    "ht": "haitian creole",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "is": "icelandic",
    "it": "italian",
    "ja": "japanese",
    "jw": "javanese",
    "ka": "georgian",
    "kk": "kazakh",
    "km": "khmer",
    "kn": "kannada",
    "ko": "korean",
    "la": "latin",
    "lb": "luxembourgish",
    "ln": "lingala",
    "lo": "lao",
    "lt": "lithuanian",
    "lv": "latvian",
    "mg": "malagasy",
    "mi": "maori",
    "mk": "macedonian",
    "ml": "malayalam",
    "mn": "mongolian",
    "mr": "marathi",
    "ms": "malay",
    "mt": "maltese",
    "my": "myanmar",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "nynorsk",
    "no": "norwegian",
    "oc": "occitan",
    "pa": "punjabi",
    "pl": "polish",
    "ps": "pashto",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sa": "sanskrit",
    "sd": "sindhi",
    "si": "sinhala",
    "sk": "slovak",
    "sl": "slovenian",
    "sn": "shona",
    "so": "somali",
    "sq": "albanian",
    "sr": "serbian",
    "su": "sundanese",
    "sv": "swedish",
    "sw": "swahili",
    "ta": "tamil",
    "te": "telugu",
    "tg": "tajik",
    "th": "thai",
    "tk": "turkmen",
    "tl": "tagalog",
    "tr": "turkish",
    "tt": "tatar",
    "uk": "ukrainian",
    "ur": "urdu",
    "uz": "uzbek",
    "vi": "vietnamese",
    "yi": "yiddish",
    "yo": "yoruba",
    "zh": "chinese",
    "yue": "cantonese",
}
_CODES: Final = {name: code for code, name in NAMES.items()}
_NOT_SAID: Final = frozenset({"", AUTO, "unknown", "und", "none", "null"})


def primary(code: str) -> str:
    """Return the primary subtag, in lower case: ``en`` for ``en-US`` and ``en_GB``."""
    return code.replace("_", "-").split("-", 1)[0].lower()


def is_same(one: str, other: str) -> bool:
    """Say whether two codes name one language."""
    return primary(one) == primary(other)


def closest(code: str, offered: Collection[str]) -> str | None:
    """Return which of ``offered`` means ``code``: itself, else the bare language, else a variant, or None."""
    if code in offered:
        return code
    same = sorted(other for other in offered if is_same(code, other))
    return min(same, key=len) if same else None


def reported(language: str | None) -> str | None:
    """Return as a code what a back end says it heard; None where it does not say."""
    if language is None or language.strip().lower() in _NOT_SAID:
        return None
    text = language.strip()
    return _CODES.get(text.lower(), text)


def english_name(code: str) -> str:
    """Return the language's English name with its code, or the code alone where it is not known here."""
    name = NAMES.get(primary(code))
    return code if name is None else f"{name.title()} ({code})"
