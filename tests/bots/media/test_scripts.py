"""The page's modules as one classic script."""

import re
import shutil
import subprocess

import pytest

from orch.bots.media.scripts import FOLDER, PAGE_MODULES, WORKLET_MODULES, PageMedia, page_script
from tests.fakes.tools import require


def test_every_module_is_in_one_of_the_scripts() -> None:
    """After those that it imports, so that nothing is used before it is there."""
    for names in (PAGE_MODULES, WORKLET_MODULES):
        for place, name in enumerate(names):
            source = (FOLDER / name).read_text(encoding="utf-8")
            for imported in re.findall(r'^import .* from "\./(.*)";$', source, re.MULTILINE):
                assert imported in names[:place], f"{name} imports {imported}"


def test_names_of_joined_modules_are_different() -> None:
    """Joined, they have one scope."""
    for names in (PAGE_MODULES, WORKLET_MODULES):
        joined = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)
        found = re.findall(r"^(?:export )?(?:async )?(?:const|class|function) (\w+)", joined, re.MULTILINE)
        assert len(found) == len(set(found))


@pytest.mark.process
def test_the_script_is_a_classic_one_that_does_nothing_in_frames() -> None:
    """It parses without modules, and ends where the window is not the top one, or was opened by the page."""
    node = shutil.which("node") or require("node")
    script = page_script(PageMedia(address='ws://127.0.0.1:1/media/a"b\u2028</script>'))
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    assert "\u2028" not in script
    window = "const window = globalThis.window = { opener: {} };\nwindow.top = window;"
    run = f"globalThis.window = {{ top: null }};\n{script}\n{{{window}\n{script}\n}}console.log('parsed');"
    done = subprocess.run([node, "-"], input=run.encode(), capture_output=True, check=True)
    assert done.stdout == b"parsed\n"
