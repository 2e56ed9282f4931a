"""Why a recording is not decoded. Pure."""


class RefusedError(Exception):
    """The recording is rejected; ``code`` is that of a problem."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
