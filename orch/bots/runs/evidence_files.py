"""Files of evidence: what a bot's page showed when it gave up."""

import hashlib
import re
from pathlib import Path
from typing import Final

from orch.bots.chromium.evidence import Evidence
from orch.protocol.identifiers import new_name
from orch.stores.bot_records import EvidenceFile, EvidenceKind

_MODE: Final = 0o700
_WRITTEN: Final = re.compile(
    r"screenshot-[0-9a-f]{8,64}\.jpg|dom-[0-9a-f]{8,64}\.html|log-[0-9a-f]{8,64}\.txt", re.ASCII
)


def is_evidence(name: str) -> bool:
    """Whether this is the name of a file that :func:`write_evidence` wrote."""
    return _WRITTEN.fullmatch(name) is not None


def write_evidence(folder: Path, session_id: str, evidence: Evidence) -> tuple[EvidenceFile, ...]:
    """Write the parts that there are, readable for the service's user alone; return their records. It blocks.

    Error handling: OSError.
    """
    place = folder.absolute() / session_id
    place.mkdir(parents=True, exist_ok=True, mode=_MODE)
    log = "\n".join((*evidence.lines, *(f"missing: {each}" for each in evidence.missing)))
    if evidence.url:
        log = f"page: {evidence.url} {evidence.title}\n{log}"
    parts: tuple[tuple[EvidenceKind, str, bytes], ...] = (
        ("screenshot", "jpg", evidence.picture),
        ("dom", "html", evidence.html.encode("utf-8", "replace")),
        ("log", "txt", log.encode("utf-8", "replace")),
    )
    return tuple(_written(place, session_id, evidence, *part) for part in parts if part[2])


def _written(
    place: Path, session_id: str, evidence: Evidence, kind: EvidenceKind, suffix: str, content: bytes
) -> EvidenceFile:
    name = new_name()
    path = place / f"{kind}-{name}.{suffix}"
    path.touch(mode=0o600)
    path.write_bytes(content)
    return EvidenceFile(
        file_id=name,
        session_id=session_id,
        kind=kind,
        file_path=str(path),
        file_size=len(content),
        file_hash=hashlib.sha256(content).hexdigest(),
        at=evidence.taken_at,
    )
