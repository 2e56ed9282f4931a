"""What Google Meet's page says in German. Pure."""

from collections.abc import Mapping
from typing import Final

from orch.bots.adapters.signs import Sign

TEXTS: Final[Mapping[Sign, tuple[str, ...]]] = {
    Sign.UNANSWERED: (
        "Niemand hat auf deine Anfrage zur Teilnahme am Anruf reagiert",
        "Niemand hat auf Ihre Anfrage zur Teilnahme am Anruf reagiert",
    ),
    Sign.DISMISS: (
        "Ok",
        "Verstanden",
        "Schließen und weiter",
        "Im Anruf bleiben",
    ),
    Sign.NAME: (
        "Dein Name",
        "Ihr Name",
        "Wie heißt du?",
        "Wie heißen Sie?",
    ),
    Sign.JOIN: (
        "Jetzt teilnehmen",
        "Teilnahme anfragen",
        "Trotzdem Teilnahme anfragen",
    ),
    Sign.REJOIN: ("Erneut teilnehmen",),
    Sign.SIGN_IN: ("Anmelden",),
    Sign.LOBBY: (
        "Anfrage zur Teilnahme wird gesendet…",
        "Du nimmst am Anruf teil, sobald dich jemand hereinlässt",
        "Du nimmst teil, sobald dich jemand hereinlässt",
        "Sie nehmen am Anruf teil, sobald Sie jemand hereinlässt",
        "Teilnahmeanfrage wird gesendet",
    ),
    Sign.DENIED: (
        "Jemand im Anruf hat deine Anfrage abgelehnt",
        "Jemand im Anruf hat deine Teilnahmeanfrage abgelehnt",
        "Jemand im Anruf hat Ihre Teilnahmeanfrage abgelehnt",
    ),
    Sign.REFUSED: (
        "Du kannst an diesem Anruf nicht teilnehmen",
        "Sie können an diesem Anruf nicht teilnehmen",
    ),
    Sign.REMOVED: (
        "Du wurdest aus der Videokonferenz entfernt",
        "Sie wurden aus der Videokonferenz entfernt",
        "Du wurdest aus dem Meeting entfernt",
        "Du wurdest aus der Besprechung entfernt",
    ),
    Sign.ENDED: (
        "Die Videokonferenz ist beendet",
        "Das Meeting wurde beendet",
        "Der Anruf wurde beendet",
        "Die Besprechung wurde beendet",
    ),
    Sign.LEFT: (
        "Du hast die Videokonferenz verlassen",
        "Sie haben die Videokonferenz verlassen",
        "Du hast das Meeting verlassen",
        "Du hast den Anruf verlassen",
    ),
    Sign.LOGIN_WALL: (
        "Du kannst an diesem Videoanruf nicht teilnehmen",
        "Sie können an diesem Videoanruf nicht teilnehmen",
    ),
    Sign.BLOCKED: (
        "Du darfst an diesem Anruf nicht teilnehmen",
        "Sie dürfen an diesem Anruf nicht teilnehmen",
    ),
    Sign.CAPTCHA: (
        "Bestätige, dass du kein Roboter bist",
        "Ich bin kein Roboter",
    ),
    Sign.NO_MEETING: (
        "Überprüfe deinen Besprechungscode",
        "Überprüfen Sie Ihren Besprechungscode",
    ),
    Sign.DISCONNECTED: ("Die Verbindung wurde getrennt",),
    Sign.NETWORK_LOST: ("Deine Netzwerkverbindung wurde unterbrochen. Verbindung wird wiederhergestellt.",),
    Sign.RECORDING_ON: ("Diese Videokonferenz wird aufgezeichnet",),
    Sign.RECORDING_REFUSED: ("Der Organisator hat die Aufzeichnung abgelehnt",),
    Sign.COOKIES: ("Bevor du fortfährst",),
    Sign.REJECT_COOKIES: ("Alle ablehnen",),
    Sign.DEVICES: ("Sollen andere dich in der Videokonferenz sehen und hören?",),
    Sign.USE_DEVICES: ("Mikrofon und Kamera verwenden",),
    Sign.NO_DEVICES: ("Ohne Mikrofon und Kamera fortfahren",),
    Sign.RECORDING_CONSENT: (
        "Diese Videokonferenz wird aufgezeichnet. Wenn du bleibst, stimmst du der Aufzeichnung zu.",
    ),
    Sign.AGREE: ("In der Videokonferenz bleiben",),
    Sign.MUTE: ("Mikrofon deaktivieren",),
    Sign.UNMUTE: ("Mikrofon aktivieren",),
    Sign.CAMERA_OFF: ("Kamera deaktivieren",),
    Sign.CAMERA_ON: ("Kamera aktivieren",),
    Sign.CAPTIONS_ON: ("Untertitel aktivieren",),
    Sign.CAPTIONS_OFF: ("Untertitel deaktivieren",),
    Sign.CAPTIONS: ("Untertitel",),
    Sign.CAPTIONS_LANGUAGE: (
        "Sprache der Untertitel",
        "Sprache des Meetings",
        "Sprache der Videokonferenz",
    ),
    Sign.CHAT: ("Mit allen chatten",),
    Sign.CHAT_FIELD: (
        "Nachricht an alle senden",
        "Nachricht senden",
    ),
    Sign.SEND: ("Nachricht senden",),
    Sign.RECORD: ("Videokonferenz aufzeichnen",),
    Sign.LEAVE: (
        "Anruf verlassen",
        "Videokonferenz verlassen",
    ),
    Sign.OWN_NAME: (
        "Ich",
        "Du",
        "Sie",
    ),
    Sign.PRESENTING: ("{name} präsentiert",),
    Sign.SPEAKING: ("{name} spricht",),
}
