"""What a meeting's interface shows among the captions, and what of a block is speech. Pure.

A text is no speech only if *all* of it is one of the interface's: people do say "turn on captions". Three
rules catch what the tables do not list, in any language: the names of icons, which Google's pages contain as
text (``arrow_downward``); what is written behind such a name, which is its button's label; and a block
without a name, because each spoken block has one.

Rows marked *seen* were taken from public projects that record the page's own texts (captions of August and
September 2026 in English, Spanish, Portuguese, Japanese and Russian); the others are the same controls in
Google's wording of that language, and a text that differs is caught by the rules above if its icon is there.
"""

from collections.abc import Collection, Mapping
from typing import Final

import regex

from orch.bots.caption_words import clean, split_words

INTERFACE_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        "Jump to bottom",  # seen
        "Jump to the bottom",  # seen
        "Jump to most recent captions",  # seen
        "Jump to latest captions",  # seen
        "Turn on captions",  # seen
        "Turn off captions",  # seen
        "Captions",  # seen
        "Open caption settings",  # seen
        "Caption settings",  # seen
        "Font size",  # seen
        "Font color",  # seen
        "Font colour settings",  # seen
        "Live captions have been turned on",  # seen
        "Live captions have been turned off",  # seen
        "Captions have been turned on",  # seen
        "Captions have been turned off",  # seen
        "Closed captions off",  # seen
        "You have joined the call",  # seen
        "You left the meeting",  # seen
        "You've been removed from the meeting",
        "Return to home screen",  # seen
        "Returning to home screen",
        "Your hand is raised",
        "Hand is lowered",  # seen
        "Your mic is off",  # seen
        "Your microphone is off",
        "Your camera is off",  # seen
        "Camera not found",  # seen
        "You're muted",  # seen
        "You're presenting to everyone",
        "This call is being recorded",
        "This meeting is being recorded",
        "This meeting is being transcribed",
        "Recording has started",
        "Recording has stopped",
        "Show more options",  # seen
        "Show fewer options",  # seen
    ),
    "es": (
        "Ir al final",
        "Ir a los subtítulos más recientes",  # seen
        "Activar subtítulos",  # seen
        "Desactivar subtítulos",  # seen
        "Abrir ajustes de subtítulos",  # seen
        "Abrir la configuración de subtítulos",
        "Subtítulos",
        "Se han activado los subtítulos",
        "Se han desactivado los subtítulos",
        "Has abandonado la reunión",
        "Saliste de la reunión",
        "Volver a la pantalla de inicio",
        "Esta reunión se está grabando",
        "Se está grabando esta llamada",
        "El micrófono está desactivado",
        "La cámara está desactivada",
    ),
    "de": (
        "Zum Ende springen",
        "Nach unten springen",
        "Zu den neuesten Untertiteln springen",
        "Untertitel aktivieren",  # seen
        "Untertitel deaktivieren",  # seen
        "Untertitel",
        "Untertiteleinstellungen öffnen",
        "Live-Untertitel wurden aktiviert",
        "Live-Untertitel wurden deaktiviert",
        "Du hast die Videokonferenz verlassen",
        "Sie haben die Videokonferenz verlassen",
        "Zurück zum Startbildschirm",
        "Diese Videokonferenz wird aufgezeichnet",
        "Dieser Anruf wird aufgezeichnet",
        "Dein Mikrofon ist deaktiviert",
        "Ihr Mikrofon ist deaktiviert",
        "Deine Kamera ist deaktiviert",
        "Ihre Kamera ist deaktiviert",
    ),
    "fr": (
        "Aller en bas",
        "Accéder aux derniers sous-titres",
        "Accéder aux sous-titres les plus récents",
        "Activer les sous-titres",  # seen
        "Désactiver les sous-titres",  # seen
        "Sous-titres",
        "Ouvrir les paramètres des sous-titres",
        "Les sous-titres instantanés ont été activés",
        "Les sous-titres instantanés ont été désactivés",
        "Vous avez quitté la réunion",  # seen
        "Retourner à l'écran d'accueil",  # seen
        "Cette réunion est enregistrée",
        "Cet appel est enregistré",
        "Votre micro est désactivé",
        "Votre caméra est désactivée",
    ),
    "pt": (
        "Ir para o fim",  # seen
        "Ir para as legendas mais recentes",  # seen
        "Ativar legendas",  # seen
        "Desativar legendas",  # seen
        "Legendas",
        "Abrir configurações de legenda",
        "As legendas instantâneas foram ativadas",
        "As legendas instantâneas foram desativadas",
        "Você saiu da reunião",  # seen
        "Saiu da reunião",
        "Voltar à tela inicial",
        "Esta reunião está sendo gravada",
        "Esta chamada está sendo gravada",
        "Seu microfone está desativado",
        "Sua câmera está desativada",
    ),
    "it": (
        "Vai alla fine",
        "Vai ai sottotitoli più recenti",
        "Attiva didascalie",  # seen
        "Disattiva didascalie",  # seen
        "Attiva sottotitoli",
        "Disattiva sottotitoli",
        "Didascalie",
        "Sottotitoli",
        "Apri le impostazioni dei sottotitoli",
        "Hai abbandonato la riunione",
        "Torna alla schermata Home",
        "Questa riunione è in fase di registrazione",
        "Il microfono è disattivato",
        "La videocamera è disattivata",
    ),
    "ja": (
        "一番下に移動",
        "最新の字幕に移動",  # seen
        "字幕をオンにする",  # seen
        "字幕をオフにする",  # seen
        "字幕設定を開く",  # seen
        "字幕の種類",  # seen
        "字幕",  # seen
        "自動字幕起こしがオンになっています",  # seen
        "自動字幕起こしがオフになっています",
        "読み込み中...",  # seen
        "会議から退出しました",
        "ホーム画面に戻る",
        "この会議は録画されています",
        "マイクがオフになっています",
        "カメラがオフになっています",
    ),
    "zh": (
        "跳转到底部",
        "跳至底部",
        "跳转到最新字幕",
        "跳到最新的字幕",
        "开启字幕",  # seen
        "关闭字幕",  # seen
        "開啟字幕",  # seen
        "關閉字幕",  # seen
        "字幕设置",
        "打开字幕设置",
        "開啟字幕設定",
        "实时字幕已开启",
        "实时字幕已关闭",
        "您已离开会议",  # seen
        "您已退出会议",
        "你已離開會議",
        "返回主屏幕",
        "返回主畫面",
        "正在录制此会议",
        "系統正在錄製這場會議",
        "您的麦克风已关闭",
        "您的摄像头已关闭",
    ),
    "ko": (
        "맨 아래로 이동",
        "최신 자막으로 이동",
        "자막 사용 설정",  # seen
        "자막 사용 중지",  # seen
        "자막",
        "자막 설정 열기",
        "실시간 자막이 사용 설정되었습니다",
        "실시간 자막이 사용 중지되었습니다",
        "회의에서 나갔습니다",
        "홈 화면으로 돌아가기",
        "이 회의는 녹화 중입니다",
        "마이크가 꺼져 있습니다",
        "카메라가 꺼져 있습니다",
    ),
    "ar": (
        "الانتقال إلى الأسفل",
        "الانتقال إلى أحدث الترجمة والشرح",
        "تفعيل الترجمة",  # seen
        "تعطيل الترجمة",  # seen
        "تفعيل الترجمة والشرح",
        "إيقاف الترجمة والشرح",
        "الترجمة والشرح",
        "فتح إعدادات الترجمة والشرح",
        "لقد غادرت الاجتماع",
        "غادرت الاجتماع",
        "العودة إلى الشاشة الرئيسية",
        "يتم تسجيل هذا الاجتماع",
        "الميكروفون غير مفعّل",
        "الكاميرا غير مفعّلة",
    ),
    "ru": (
        "Перейти в конец",
        "Перейти к последним субтитрам",
        "Включить субтитры",  # seen
        "Отключить субтитры",  # seen
        "Субтитры",
        "Открыть настройки субтитров",  # seen
        "Размер шрифта",  # seen
        "Цвет шрифта",  # seen
        "Субтитры включены",
        "Субтитры отключены",
        "Вы покинули встречу",
        "Вы вышли из конференции",
        "Вернуться на главный экран",
        "Эта встреча записывается",
        "Микрофон выключен",
        "Камера выключена",
    ),
    "hi": (
        "सबसे नीचे जाएं",
        "सबसे नए कैप्शन पर जाएं",
        "कैप्शन चालू करें",  # seen
        "कैप्शन बंद करें",  # seen
        "कैप्शन",
        "कैप्शन की सेटिंग खोलें",
        "आपने मीटिंग छोड़ दी है",
        "होम स्क्रीन पर वापस जाएं",
        "यह मीटिंग रिकॉर्ड की जा रही है",
        "आपका माइक बंद है",
        "आपका कैमरा बंद है",
    ),
    "uk": (
        "Відкрити налаштування субтитрів",  # seen
        "Розмір шрифту",  # seen
        "Колір шрифту",  # seen
    ),
    "vi": ("Bật phụ đề", "Tắt phụ đề"),  # seen
    "th": ("เปิดใช้งานคำบรรยาย", "ปิดใช้งานคำบรรยาย"),  # seen
    "fa": ("کپشن را روشن کنید", "کپشن را خاموش کنید"),  # seen
}
"""Whole texts of Google Meet's interface where captions are, by the language of the interface."""

ICONS: Final = frozenset(
    (
        "arrow_downward",
        "arrow_upward",
        "call_end",
        "close",
        "closed_caption",
        "closed_caption_disabled",
        "closed_caption_off",
        "devices",
        "expand_less",
        "expand_more",
        "format_size",
        "frame_person",
        "keep",
        "mic",
        "mic_none",
        "mic_off",
        "more_vert",
        "mood",
        "back_hand",
        "pan_tool",
        "present_to_all",
        "settings",
        "spatial_audio_off",
        "videocam",
        "videocam_off",
        "visual_effects",
        "volume_up",
    )
)
"""Names of the icons on Meet's page. Those that are words too have a capital as captions."""

SELF_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("You",),  # seen
    "es": ("Tú",),
    "de": ("Du", "Sie", "Ich"),
    "fr": ("Vous",),
    "pt": ("Você",),
    "it": ("Tu",),
    "ja": ("あなた",),
    "zh": ("你", "您"),
    "ko": ("나",),
    "ar": ("أنت",),
    "ru": ("Вы",),
    "hi": ("आप",),
}
"""What Meet writes instead of the name at the bot's own captions, by the language of the interface.

Some are names of people in other languages, so only the row of the interface's own language is one of the
bot's names.
"""

_NAMES: Final = "|".join(sorted((icon for icon in ICONS if "_" in icon), key=len, reverse=True))
_ICON: Final = regex.compile(r"[a-z]+(?:_[a-z0-9]+)+")
_LABELLED: Final = regex.compile(rf"(?:^|\s)(?:{_NAMES})(?![a-z0-9_]).*\Z", regex.DOTALL)
_ENDS: Final = " .。\uff0e…!\uff01?\uff1f؟।:\uff1a"


def _plain(text: str) -> str:
    return text.casefold().replace("\u2019", "'").strip(_ENDS)


_TEXTS: Final = frozenset(_plain(text) for texts in INTERFACE_TEXTS.values() for text in texts)


def spoken_text(text: str) -> str:
    """Return what of a block's text is speech: without the icons and labels at its end; empty if none is.

    >>> spoken_text("So we agree. arrow_downwardJump to bottom")
    'So we agree.'
    >>> spoken_text("Turn on captions"), spoken_text("Please turn on captions, Bob")
    ('', 'Please turn on captions, Bob')
    """
    spoken = _LABELLED.sub("", clean(text)).strip()
    plain = _plain(spoken)
    if plain in _TEXTS or spoken in ICONS or _ICON.fullmatch(spoken):
        return ""
    return spoken if split_words(spoken) else ""


def is_own(speaker: str, own: Collection[str]) -> bool:
    """Whether a speaker's name is one of ``own``, in any case."""
    name = clean(speaker).casefold()
    return any(name == clean(each).casefold() for each in own)
