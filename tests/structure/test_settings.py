"""Each setting says what it is, where that decides what is shown of it."""

import re
from typing import Any, get_args, get_origin

import msgspec
import pytest

from orch.settings import Settings
from orch.settings.restrictions import Kind, kind_at
from orch.settings.section import Section


def leaves(kind: Any, path: str = "") -> list[str]:
    """Return the path of every setting there is."""
    found: list[str] = []
    for field in msgspec.structs.fields(kind):
        here = f"{path}.{field.name}" if path else field.name
        inner = get_args(field.type)[1] if get_origin(field.type) is dict else field.type
        if get_origin(inner) is tuple:
            inner = get_args(inner)[0]
        if isinstance(inner, type) and issubclass(inner, Section):
            found += leaves(inner, f"{here}.x" if get_origin(field.type) is dict else here)
        else:
            found.append(here)
    return found


TELLING = re.compile(
    r"(token|secret|password|credential|_key$|^key$|api_key|headers|query|url|_file$|_path$|certificate|command)"
)


@pytest.mark.parametrize(
    "path", [path for path in leaves(Settings) if TELLING.search(path.rpartition(".")[2])]
)
def test_a_setting_that_sounds_like_a_secret_an_address_a_file_or_a_command_says_which(path: str) -> None:
    """Otherwise it would be shown to everyone who may read the settings, and changed by whoever may PATCH."""
    assert kind_at(path) is not Kind.PLAIN, f"{path}: give it Secret, Url, FilePath or Command in its section"
