"""A pipeline with a real hub, a real store and the real speech flow; back ends are stand-ins."""

import pytest

from tests.fakes.pipelines_of_bots import PipelineScene


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> PipelineScene:
    """Return a scene in a folder of its own."""
    return PipelineScene(tmp_path_factory.mktemp("bots"))
