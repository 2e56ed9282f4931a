"""Writes the golden vectors of the audio stages: python scripts/golden_vectors.py [STAGE …].

From the cases in tests/audio/vector_cases/; the kernels of the browser are tested against them. Without
names of stages also what is found of the ratios of speech to noise in tests/audio/noise_ratio_cases.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.audio import noise_ratio_cases
from tests.audio.vectors import FOLDER, STAGES, cases, document

FOLDER.mkdir(parents=True, exist_ok=True)
for stage in sys.argv[1:] or STAGES:
    content = document(stage, cases(stage))
    (FOLDER / f"{stage}.json").write_bytes(content)
    print(f"{stage}: {len(content) / 1000:.0f} kB")
if not sys.argv[1:]:
    noise_ratio_cases.FILE.write_bytes(noise_ratio_cases.document())
