"""What a bot announces in a meeting's chat, by language, and the word by which one opts out. Pure."""
# ruff: noqa: RUF001 - texts of other languages

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Announcement(Struct, frozen=True):
    """The texts of one language. ``captioned``: text is stored; ``recorded``: sound, too."""

    language: str
    word: str
    captioned: str
    recorded: str


def _row(language: str, word: str, captioned: str, recorded: str) -> Announcement:
    return Announcement(language, word, captioned.format(word=word), recorded.format(word=word))


DEFAULT: Final = "en"

_ROWS: Final = (
    _row(
        "en",
        "opt out",
        "I am a bot: I transcribe and translate what is said here, and the text is stored. If you do"
        " not agree, write “{word}”: I stop at once and leave.",
        "I am a bot: I record, transcribe and translate what is said here, and the recording is"
        " stored. If you do not agree, write “{word}”: I stop at once and leave.",
    ),
    _row(
        "de",
        "ohne mich",
        "Ich bin ein Bot: Ich schreibe mit und übersetze, was hier gesagt wird, und der Text wird"
        " gespeichert. Wer nicht einverstanden ist, schreibt „{word}“: Dann höre ich sofort auf und"
        " gehe.",
        "Ich bin ein Bot: Ich nehme auf, schreibe mit und übersetze, was hier gesagt wird, und die"
        " Aufnahme wird gespeichert. Wer nicht einverstanden ist, schreibt „{word}“: Dann höre ich"
        " sofort auf und gehe.",
    ),
    _row(
        "es",
        "no acepto",
        "Soy un bot: transcribo y traduzco lo que se dice aquí, y el texto se guarda. Si no está de"
        " acuerdo, escriba «{word}»: me detengo de inmediato y salgo.",
        "Soy un bot: grabo, transcribo y traduzco lo que se dice aquí, y la grabación se guarda. Si"
        " no está de acuerdo, escriba «{word}»: me detengo de inmediato y salgo.",
    ),
    _row(
        "fr",
        "sans moi",
        "Je suis un robot : je transcris et traduis ce qui est dit ici, et le texte est conservé. Si"
        " vous n’êtes pas d’accord, écrivez « {word} » : j’arrête aussitôt et je quitte la réunion.",
        "Je suis un robot : j’enregistre, transcris et traduis ce qui est dit ici, et"
        " l’enregistrement est conservé. Si vous n’êtes pas d’accord, écrivez « {word} » : j’arrête"
        " aussitôt et je quitte la réunion.",
    ),
    _row(
        "pt",
        "não aceito",
        "Sou um bot: transcrevo e traduzo o que se diz aqui, e o texto é guardado. Se não concorda,"
        " escreva “{word}”: paro imediatamente e saio.",
        "Sou um bot: gravo, transcrevo e traduzo o que se diz aqui, e a gravação é guardada. Se não"
        " concorda, escreva “{word}”: paro imediatamente e saio.",
    ),
    _row(
        "it",
        "non accetto",
        "Sono un bot: trascrivo e traduco ciò che viene detto qui, e il testo viene conservato. Chi"
        " non è d’accordo scriva «{word}»: mi fermo subito ed esco.",
        "Sono un bot: registro, trascrivo e traduco ciò che viene detto qui, e la registrazione viene"
        " conservata. Chi non è d’accordo scriva «{word}»: mi fermo subito ed esco.",
    ),
    _row(
        "zh",
        "不同意",
        "我是机器人：我会转写并翻译这里的发言，文字会被保存。如果您{word}，请输入“{word}”，我会立即停"
        "止并离开。",
        "我是机器人：我会录音、转写并翻译这里的发言，录音会被保存。如果您{word}，请输入“{word}”，我会"
        "立即停止并离开。",
    ),
    _row(
        "ja",
        "同意しません",
        "私はボットです。ここでの発言を文字に起こして翻訳し、テキストを保存します。同意しない方は「"
        "{word}」と書いてください。すぐに停止して退出します。",
        "私はボットです。ここでの発言を録音し、文字に起こして翻訳し、録音を保存します。同意しない方は"
        "「{word}」と書いてください。すぐに停止して退出します。",
    ),
    _row(
        "ar",
        "لا أوافق",
        "أنا روبوت: أدوّن ما يقال هنا وأترجمه، ويُحفظ النص. إذا كنت لا توافق فاكتب «{word}»، فأتوقف"
        " فورًا وأغادر.",
        "أنا روبوت: أسجّل ما يقال هنا وأدوّنه وأترجمه، ويُحفظ التسجيل. إذا كنت لا توافق فاكتب"
        " «{word}»، فأتوقف فورًا وأغادر.",
    ),
)

ANNOUNCEMENTS: Final[Mapping[str, Announcement]] = {row.language: row for row in _ROWS}
"""By the primary subtag of the language."""
