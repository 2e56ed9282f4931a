"""What Google Meet's page says in Arabic. Pure."""

from collections.abc import Mapping
from typing import Final

from orch.bots.adapters.signs import Sign

TEXTS: Final[Mapping[Sign, tuple[str, ...]]] = {
    Sign.UNANSWERED: ("لم يردّ أحد على طلب انضمامك إلى المكالمة",),
    Sign.DISMISS: ("حسنًا",),
    Sign.NAME: ("اسمك",),
    Sign.JOIN: (
        "الانضمام الآن",
        "طلب الانضمام",
        "طلب الانضمام على أي حال",
    ),
    Sign.REJOIN: ("إعادة الانضمام",),
    Sign.SIGN_IN: ("تسجيل الدخول",),
    Sign.LOBBY: (
        "جارٍ طلب السماح لك بالدخول…",
        "ستنضم إلى المكالمة عندما يسمح لك أحدهم بالدخول",
    ),
    Sign.DENIED: ("رفض أحد المشاركين طلب انضمامك",),
    Sign.REFUSED: ("لا يمكنك الانضمام إلى هذه المكالمة",),
    Sign.REMOVED: ("تمت إزالتك من الاجتماع",),
    Sign.ENDED: (
        "انتهى الاجتماع",
        "انتهت المكالمة",
    ),
    Sign.LEFT: ("لقد غادرت الاجتماع",),
    Sign.LOGIN_WALL: ("لا يمكنك الانضمام إلى مكالمة الفيديو هذه",),
    Sign.BLOCKED: ("غير مسموح لك بالانضمام إلى هذه المكالمة",),
    Sign.CAPTCHA: (
        "تأكيد أنك لست برنامج روبوت",
        "لست برنامج روبوت",
    ),
    Sign.NO_MEETING: ("تحقق من رمز الاجتماع",),
    Sign.DISCONNECTED: ("تم قطع اتصالك",),
    Sign.NETWORK_LOST: ("انقطع اتصالك بالشبكة. جارٍ إعادة الاتصال.",),
    Sign.RECORDING_ON: ("يتم تسجيل هذا الاجتماع",),
    Sign.RECORDING_REFUSED: ("رفض المضيف التسجيل",),
    Sign.COOKIES: ("قبل المتابعة",),
    Sign.REJECT_COOKIES: ("رفض الكل",),
    Sign.DEVICES: ("هل تريد أن يراك الآخرون ويسمعوك في الاجتماع؟",),
    Sign.USE_DEVICES: ("استخدام الميكروفون والكاميرا",),
    Sign.NO_DEVICES: ("المتابعة بدون ميكروفون وكاميرا",),
    Sign.RECORDING_CONSENT: ("يتم تسجيل هذا الاجتماع. ببقائك توافق على التسجيل.",),
    Sign.AGREE: ("البقاء في الاجتماع",),
    Sign.MUTE: ("إيقاف الميكروفون",),
    Sign.UNMUTE: ("تشغيل الميكروفون",),
    Sign.CAMERA_OFF: ("إيقاف الكاميرا",),
    Sign.CAMERA_ON: ("تشغيل الكاميرا",),
    Sign.CAPTIONS_ON: ("تفعيل الترجمة والشرح",),
    Sign.CAPTIONS_OFF: ("إيقاف الترجمة والشرح",),
    Sign.CAPTIONS: ("الترجمة والشرح",),
    Sign.CAPTIONS_LANGUAGE: (
        "لغة الترجمة والشرح",
        "لغة الاجتماع",
    ),
    Sign.CHAT: ("الدردشة مع الجميع",),
    Sign.CHAT_FIELD: ("إرسال رسالة إلى الجميع",),
    Sign.SEND: ("إرسال الرسالة",),
    Sign.RECORD: ("تسجيل الاجتماع",),
    Sign.LEAVE: ("مغادرة المكالمة",),
    Sign.OWN_NAME: ("أنت",),
    Sign.PRESENTING: ("{name} يقدّم عرضًا",),
    Sign.SPEAKING: ("{name} يتحدث",),
}
