"""What Google Meet's page says in Spanish. Pure."""

from collections.abc import Mapping
from typing import Final

from orch.bots.adapters.signs import Sign

TEXTS: Final[Mapping[Sign, tuple[str, ...]]] = {
    Sign.UNANSWERED: (
        "Nadie ha respondido a tu solicitud para unirte a la llamada",
        "Nadie respondió a tu solicitud para unirte a la llamada",
    ),
    Sign.DISMISS: (
        "Entendido",
        "Cerrar aviso",
        "Seguir en la llamada",
    ),
    Sign.NAME: ("Tu nombre",),
    Sign.JOIN: (
        "Unirse ahora",
        "Solicitar unirse",
        "Solicitar unirse de todos modos",
    ),
    Sign.REJOIN: ("Volver a unirse",),
    Sign.SIGN_IN: ("Iniciar sesión",),
    Sign.LOBBY: (
        "Pidiendo permiso para entrar…",
        "Te unirás a la llamada cuando alguien te deje entrar",
    ),
    Sign.DENIED: (
        "Un participante de la llamada ha rechazado tu solicitud",
        "Un participante de la llamada rechazó tu solicitud para unirte",
        "Alguien de la llamada ha rechazado tu solicitud para unirte",
    ),
    Sign.REFUSED: ("No puedes unirte a esta llamada",),
    Sign.REMOVED: (
        "Te han quitado de la reunión",
        "Se te ha quitado de la reunión",
        "Te quitaron de la reunión",
    ),
    Sign.ENDED: (
        "La reunión ha terminado",
        "La reunión ha finalizado",
        "La llamada ha finalizado",
        "La reunión finalizó",
    ),
    Sign.LEFT: (
        "Has abandonado la reunión",
        "Saliste de la reunión",
    ),
    Sign.LOGIN_WALL: ("No puedes unirte a esta videollamada",),
    Sign.BLOCKED: ("No tienes permiso para unirte a esta llamada",),
    Sign.CAPTCHA: (
        "Confirma que no eres un robot",
        "No soy un robot",
    ),
    Sign.NO_MEETING: ("Comprueba el código de la reunión",),
    Sign.DISCONNECTED: ("Se ha interrumpido la conexión",),
    Sign.NETWORK_LOST: ("Has perdido la conexión a la red. Intentando volver a conectar.",),
    Sign.RECORDING_ON: ("Esta reunión se está grabando",),
    Sign.RECORDING_REFUSED: ("El anfitrión ha rechazado la grabación",),
    Sign.COOKIES: ("Antes de continuar",),
    Sign.REJECT_COOKIES: ("Rechazar todo",),
    Sign.DEVICES: ("¿Quieres que los demás te vean y te oigan en la reunión?",),
    Sign.USE_DEVICES: ("Usar micrófono y cámara",),
    Sign.NO_DEVICES: ("Continuar sin micrófono ni cámara",),
    Sign.RECORDING_CONSENT: ("Esta reunión se está grabando. Si te quedas, aceptas que se te grabe.",),
    Sign.AGREE: ("Quedarse en la reunión",),
    Sign.MUTE: ("Desactivar micrófono",),
    Sign.UNMUTE: ("Activar micrófono",),
    Sign.CAMERA_OFF: ("Desactivar cámara",),
    Sign.CAMERA_ON: ("Activar cámara",),
    Sign.CAPTIONS_ON: ("Activar subtítulos",),
    Sign.CAPTIONS_OFF: ("Desactivar subtítulos",),
    Sign.CAPTIONS: ("Subtítulos",),
    Sign.CAPTIONS_LANGUAGE: (
        "Idioma de los subtítulos",
        "Idioma de la reunión",
    ),
    Sign.CHAT: ("Chatear con todos",),
    Sign.CHAT_FIELD: (
        "Enviar un mensaje a todos",
        "Enviar un mensaje",
    ),
    Sign.SEND: ("Enviar mensaje",),
    Sign.RECORD: ("Grabar la reunión",),
    Sign.LEAVE: (
        "Abandonar la llamada",
        "Salir de la llamada",
    ),
    Sign.OWN_NAME: ("Tú",),
    Sign.PRESENTING: ("{name} está presentando",),
    Sign.SPEAKING: ("{name} está hablando",),
}
