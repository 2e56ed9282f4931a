"""Reads the bodies of static responses, and finds those that cannot be used.

Bodies are small, and read when the settings are.
"""

from pathlib import Path
from typing import Final

import msgspec

from orch.masking import mask_file
from orch.settings.fallbacks import StaticResponse
from orch.settings.structs import Fault, Settings

MOST: Final = 65_536
"""Bytes of a static response."""
EMPTY: Final = frozenset({204, 205})
"""Statuses of responses that have no body (RFC 9110 §15.3.5, §15.3.6)."""


def read_body(response: StaticResponse) -> bytes:
    """Return the body of a static response. Raises ValueError with what was expected."""
    if not response.file:
        body = response.body.encode()
    else:
        shown = mask_file(response.file)
        try:
            with Path(response.file).open("rb") as file:
                body = file.read(MOST + 1)
        except (OSError, ValueError) as error:  # ValueError: a null character in the name
            reason = error.strerror if isinstance(error, OSError) else "its name is invalid"
            raise ValueError(f"expected a readable file: {shown}: {reason}") from error
    if len(body) > MOST:
        raise ValueError(f"expected at most {MOST} bytes")
    if body and response.status in EMPTY:
        raise ValueError(f"expected no body with status {response.status}")
    if body and _is_json(response.content_type):
        try:
            msgspec.json.decode(body)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"expected JSON, as content_type says: {error}") from error
    return body


def find_static_faults(settings: Settings) -> list[Fault]:
    """Return the faults of the static responses' bodies. It reads their files."""
    faults: list[Fault] = []
    for number, response in enumerate(settings.orchestration.gateway.static_responses):
        try:
            read_body(response)
        except ValueError as error:
            name = "file" if response.file else "body"
            faults.append(Fault(f"orchestration.gateway.static_responses[{number}].{name}", str(error)))
    return faults


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
