"""How long tests wait for what does not come any more; nothing is asserted about time by it."""

from typing import Final

#: Seconds after which what a test waits for does not come any more, also on a machine that is three times as
#: slow as another, and does other things as well. A test that passes never waits for so long.
PATIENCE: Final = 240.0

#: The same for Playwright, which counts milliseconds.
PATIENCE_MS: Final = PATIENCE * 1000
