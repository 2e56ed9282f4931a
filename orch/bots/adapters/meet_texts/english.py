"""What Google Meet's page says in English. Pure."""

from collections.abc import Mapping
from typing import Final

from orch.bots.adapters.signs import Sign

TEXTS: Final[Mapping[Sign, tuple[str, ...]]] = {
    Sign.SIGN_IN_FIRST: (
        "Sign in to join",
        "You need to sign in to join this meeting",
        "This meeting is restricted to an organization you don't belong to",
    ),
    Sign.UNANSWERED: (
        "No one responded to your request to join the call",
        "No one has responded to your request to join the call",
        "No one responded to your request to join",
    ),
    Sign.DISMISS: (
        "Got it",
        "Dismiss",
        "No thanks",
        "Stay in the call",
        "Keep waiting",
    ),
    Sign.NAME: (
        "Your name",
        "What's your name?",
    ),
    Sign.JOIN: (
        "Join now",
        "Ask to join",
        "Ask to join anyway",
        "Join the call now",
        "Join anyway",
        "Join here too",
    ),
    Sign.REJOIN: ("Rejoin",),
    Sign.SIGN_IN: ("Sign in",),
    Sign.LOBBY: (
        "Asking to be let in…",
        "You'll join the call when someone lets you in",
        "Asking to join",
        "Please wait until a meeting host brings you into the call",
        "Waiting for someone to let you in",
        "You'll join when someone lets you in",
    ),
    Sign.DENIED: (
        "Someone in the call denied your request to join",
        "Someone in the call has denied your request to join",
        "Someone on the call denied your request to join",
        "Your request to join was denied",
    ),
    Sign.REFUSED: ("You can't join this call",),
    Sign.REMOVED: (
        "You've been removed from the meeting",
        "You have been removed from the meeting",
        "You were removed from the meeting",
        "Someone removed you from the meeting",
        "You've been removed from the call",
    ),
    Sign.ENDED: (
        "The meeting has ended",
        "This meeting has ended",
        "The call has ended",
        "The call ended",
        "This call has ended",
        "This call ended",
        "Your call has ended",
        "The host ended the meeting for everyone",
    ),
    Sign.LEFT: (
        "You left the meeting",
        "You've left the meeting",
        "You left the call",
        "You left the video call",
    ),
    Sign.LOGIN_WALL: ("You can't join this video call",),
    Sign.BLOCKED: (
        "You aren't allowed to join this call",
        "You're not allowed to join this call",
        "You aren't allowed to join this meeting",
        "There is a problem connecting to this video call",
        "This meeting is full",
    ),
    Sign.CAPTCHA: (
        "Confirm you're not a robot",
        "I'm not a robot",
    ),
    Sign.NO_MEETING: (
        "Check your meeting code",
        "Invalid video call name",
        "Your meeting code has expired",
        "The meeting code you entered doesn't work",
    ),
    Sign.DISCONNECTED: ("You've been disconnected",),
    Sign.NETWORK_LOST: (
        "You lost your network connection. Trying to reconnect.",
        "Trying to reconnect",
        "Reconnecting",
        "You lost your network connection",
    ),
    Sign.RECORDING_ON: (
        "This meeting is being recorded",
        "This call is being recorded",
    ),
    Sign.RECORDING_REFUSED: ("The host declined the recording",),
    Sign.COOKIES: ("Before you continue",),
    Sign.REJECT_COOKIES: ("Reject all",),
    Sign.DEVICES: (
        "Do you want people to see and hear you in the meeting?",
        "Do you want people to see you in the meeting?",
        "Do you want people to hear you in the meeting?",
    ),
    Sign.USE_DEVICES: (
        "Use microphone and camera",
        "Allow microphone and camera",
    ),
    Sign.NO_DEVICES: (
        "Continue without microphone and camera",
        "Continue without microphone",
        "Continue without camera",
    ),
    Sign.RECORDING_CONSENT: ("This meeting is being recorded. By staying you consent to being recorded.",),
    Sign.AGREE: ("Stay in the meeting",),
    Sign.MUTE: ("Turn off microphone",),
    Sign.UNMUTE: ("Turn on microphone",),
    Sign.CAMERA_OFF: ("Turn off camera",),
    Sign.CAMERA_ON: ("Turn on camera",),
    Sign.CAPTIONS_ON: (
        "Turn on captions",
        "Turn on closed captions",
    ),
    Sign.CAPTIONS_OFF: (
        "Turn off captions",
        "Turn off closed captions",
    ),
    Sign.CAPTIONS: ("Captions",),
    Sign.CAPTIONS_LANGUAGE: (
        "Language of the captions",
        "Meeting language",
        "Caption language",
        "Language of the meeting",
    ),
    Sign.CHAT: (
        "Chat with everyone",
        "In-call messages",
        "Chat with all",
    ),
    Sign.CHAT_FIELD: (
        "Send a message to everyone",
        "Send a message",
    ),
    Sign.SEND: (
        "Send message",
        "Send a message",
    ),
    Sign.RECORD: (
        "Record meeting",
        "Start recording",
    ),
    Sign.LEAVE: (
        "Leave call",
        "Leave meeting",
    ),
    Sign.OWN_NAME: ("You",),
    Sign.PRESENTING: ("{name} is presenting",),
    Sign.SPEAKING: ("{name} is speaking",),
}
