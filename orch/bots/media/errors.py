"""Why a bot's media are not as wished. Pure."""


class MediaError(Exception):
    """A page is not there, or does not do what is wanted."""


class NoPageError(MediaError):
    """No page of the bot is connected, or its meeting has not opened the microphone."""


class SpeechCutError(MediaError):
    """The page has gone while it played, or does not play. ``played``: the samples that were played."""

    def __init__(self, played: int, reason: str = "The page has gone while it played.") -> None:
        super().__init__(reason)
        self.played = played
