"""``python -m orch.audio.pipeline_host``: runs the pipelines of live streams.

The service starts a few of these processes (``pipeline_pool.py``), so that arithmetic takes no time of its
event loop; only they import SciPy. It ends with its input, and so does not outlive the service.
"""

from orch.audio.hosted_pipelines import serve
from orch.audio.pipeline import Pipeline

if __name__ == "__main__":
    serve(Pipeline)
