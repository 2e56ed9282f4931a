"""How messages name a pipeline: a preset, or exported settings. Pure.

What is in the settings is decoded by ``orch/audio/pipeline_choice.py``, which has every fault with its path.
"""

from typing import Any

PipelineChoice = str | dict[str, Any]
"""The name of a preset, or settings as they are exported."""
