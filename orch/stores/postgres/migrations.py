"""The numbered migrations of the schema ``bot_sessions``, and the script that is their sum."""

import re
from importlib import resources
from typing import Final

from msgspec import Struct

HEADER: Final = """\
-- The schema of bot sessions in PostgreSQL: all migrations of orch/stores/postgres/schema in their order.
-- The service migrates by itself, if its user may create the schema. To do it as another user, before the
-- first start of a version: psql -v ON_ERROR_STOP=1 -f scripts/bot-sessions-schema.sql ADDRESS
-- This file is for an empty database; of an existing one, run the migrations that it lacks.
"""


class Migration(Struct, frozen=True):
    """One migration; ``version`` is the schema's after it."""

    version: int
    name: str
    script: str

    @property
    def whole(self) -> str:
        """Its statements, the last of which records it."""
        record = (
            "INSERT INTO bot_sessions.schema_migrations (version, name)"  # noqa: S608 - names of files
            f" VALUES ({self.version}, '{self.name}');"
        )
        return f"{self.script.strip()}\n\n{record}\n"


def migrations() -> tuple[Migration, ...]:
    """Return the migrations in ``schema/``, oldest first. Files are named ``0001_what_it_adds.sql``."""
    steps = [
        Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in resources.files("orch.stores.postgres").joinpath("schema").iterdir()
        if (match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name))
    ]
    return tuple(sorted(steps, key=lambda step: step.version))


def whole_script() -> str:
    """Return the text of ``scripts/bot-sessions-schema.sql``."""
    parts = [f"-- {step.version:04}_{step.name}\n\n{step.whole}" for step in migrations()]
    return "\n".join([HEADER, "BEGIN;\n", *parts, "COMMIT;\n"])
