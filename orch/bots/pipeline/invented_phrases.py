# ruff: noqa: RUF001 - texts of many scripts
"""Texts that speech engines write where nobody speaks: they were trained on subtitles. Pure."""

import re
import unicodedata
from typing import Final

DESCRIPTIONS: Final = re.compile(r"[\[(（【*♪♫][^\])）】*♪♫]*[\])）】*♪♫]|[♪♫]+")

"""What engines describe sound in: [Music], (applause), notes."""
OPENING: Final = ("[", "(", "（", "【", "♪", "♫", "*")
CLOSING: Final = ("]", ")", "）", "】", "♪", "♫", "*")

_NEVER_SAID: Final = (
    "subtitles by the amara org community",
    "subtitles by amara org community",
    "transcription by castingwords",
    "transcribed by otter ai",
    "thanks for watching",
    "thank you for watching",
    "thank you so much for watching",
    "please subscribe to my channel",
    "dont forget to like and subscribe",
    "like and subscribe",
    "see you in the next video",
    "untertitel der amara org community",
    "untertitelung des zdf",
    "untertitelung aufgrund der audioqualität nicht möglich",
    "untertitel im auftrag des zdf für funk",
    "vielen dank fürs zuschauen",
    "sous titres réalisés par la communauté damara org",
    "sous titres réalisés para la communauté damara org",
    "sous titrage société radio canada",
    "merci davoir regardé cette vidéo",
    "subtítulos realizados por la comunidad de amara org",
    "subtítulos por la comunidad de amara org",
    "gracias por ver el video",
    "suscríbete al canal",
    "legendas pela comunidade amara org",
    "obrigado por assistir",
    "sottotitoli creati dalla comunità amara org",
    "sottotitoli e revisione a cura di qtss",
    "ondertitels ingediend door de amara org gemeenschap",
    "napisy stworzone przez społeczność amara org",
    "субтитры сделал dimatorzok",
    "субтитры создавал dimatorzok",
    "редактор субтитров а синецкая корректор а егорова",
    "продолжение следует",
    "ご視聴ありがとうございました",
    "請不吝點贊訂閱轉發打賞支持明鏡與點點欄目",
    "请不吝点赞订阅转发打赏支持明镜与点点栏目",
    "字幕由amara org社区提供",
    "字幕由amara org社區提供",
    "시청해주셔서 감사합니다",
    "mbc 뉴스 이덕영입니다",
    "اشتركوا في القناة",
    "ترجمة نانسي قنقر",
)
"""What engines write into silence and nobody says in a meeting, by the reports of their users."""

_SELDOM_SAID: Final = (
    "you",
    "thank you",
    "thank you very much",
    "thanks",
    "bye",
    "bye bye",
    "oh",
    "okay",
    "so",
    "the",
    "i",
    "hmm",
    "danke",
    "vielen dank",
    "tschüss",
    "merci",
    "gracias",
    "obrigado",
    "grazie",
    "спасибо",
    "谢谢",
    "謝謝",
    "谢谢观看",
    "ありがとうございました",
    "감사합니다",
    "شكرا",
)
"""What engines write into silence too, and people say."""


def plain_text(text: str) -> str:
    """Return letters and digits in one case, with single blanks."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = text.replace("'", "").replace("’", "")
    return " ".join("".join(each if each.isalnum() or _is_mark(each) else " " for each in text).split())


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in {"Mn", "Mc"}


NEVER_SAID: Final = frozenset(plain_text(each) for each in _NEVER_SAID)
SELDOM_SAID: Final = frozenset(plain_text(each) for each in _SELDOM_SAID)
