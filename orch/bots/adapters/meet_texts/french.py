"""What Google Meet's page says in French. Pure."""

from collections.abc import Mapping
from typing import Final

from orch.bots.adapters.signs import Sign

TEXTS: Final[Mapping[Sign, tuple[str, ...]]] = {
    Sign.UNANSWERED: ("Personne n'a répondu à votre demande de participation à l'appel",),
    Sign.DISMISS: (
        "OK",
        "J'ai compris",
        "Rester dans l'appel",
    ),
    Sign.NAME: ("Votre nom",),
    Sign.JOIN: (
        "Participer",
        "Demander à participer",
        "Demander à participer quand même",
        "Participer maintenant",
    ),
    Sign.REJOIN: ("Participer à nouveau",),
    Sign.SIGN_IN: ("Se connecter",),
    Sign.LOBBY: (
        "Demande de participation en cours…",
        "Vous rejoindrez l'appel dès que quelqu'un vous y autorisera",
    ),
    Sign.DENIED: (
        "Un participant a refusé votre demande",
        "Un participant à l'appel a refusé votre demande de participation",
    ),
    Sign.REFUSED: ("Vous ne pouvez pas participer à cet appel",),
    Sign.REMOVED: (
        "Vous avez été retiré de la réunion",
        "Vous avez été exclu de la réunion",
    ),
    Sign.ENDED: (
        "La réunion est terminée",
        "L'appel est terminé",
        "Cette réunion est terminée",
    ),
    Sign.LEFT: ("Vous avez quitté la réunion",),
    Sign.LOGIN_WALL: ("Vous ne pouvez pas participer à cet appel vidéo",),
    Sign.BLOCKED: ("Vous n'êtes pas autorisé à participer à cet appel",),
    Sign.CAPTCHA: (
        "Confirmez que vous n'êtes pas un robot",
        "Je ne suis pas un robot",
    ),
    Sign.NO_MEETING: ("Vérifiez le code de la réunion",),
    Sign.DISCONNECTED: ("Vous avez été déconnecté",),
    Sign.NETWORK_LOST: ("Vous avez perdu votre connexion réseau. Tentative de reconnexion.",),
    Sign.RECORDING_ON: ("Cette réunion est enregistrée",),
    Sign.RECORDING_REFUSED: ("L'organisateur a refusé l'enregistrement",),
    Sign.COOKIES: ("Avant de continuer",),
    Sign.REJECT_COOKIES: ("Tout refuser",),
    Sign.DEVICES: ("Voulez-vous que les autres vous voient et vous entendent ?",),
    Sign.USE_DEVICES: ("Utiliser le micro et la caméra",),
    Sign.NO_DEVICES: ("Continuer sans micro ni caméra",),
    Sign.RECORDING_CONSENT: ("Cette réunion est enregistrée. En restant, vous acceptez d'être enregistré.",),
    Sign.AGREE: ("Rester dans la réunion",),
    Sign.MUTE: ("Désactiver le micro",),
    Sign.UNMUTE: ("Activer le micro",),
    Sign.CAMERA_OFF: ("Désactiver la caméra",),
    Sign.CAMERA_ON: ("Activer la caméra",),
    Sign.CAPTIONS_ON: ("Activer les sous-titres",),
    Sign.CAPTIONS_OFF: ("Désactiver les sous-titres",),
    Sign.CAPTIONS: ("Sous-titres",),
    Sign.CAPTIONS_LANGUAGE: (
        "Langue des sous-titres",
        "Langue de la réunion",
    ),
    Sign.CHAT: ("Discuter avec tous les participants",),
    Sign.CHAT_FIELD: (
        "Envoyer un message à tous",
        "Envoyer un message",
    ),
    Sign.SEND: ("Envoyer le message",),
    Sign.RECORD: ("Enregistrer la réunion",),
    Sign.LEAVE: ("Quitter l'appel",),
    Sign.OWN_NAME: ("Vous",),
    Sign.PRESENTING: ("{name} présente",),
    Sign.SPEAKING: ("{name} parle",),
}
