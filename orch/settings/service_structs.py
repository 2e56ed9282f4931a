"""The settings of back ends. Pure."""

from typing import Final, Literal

from msgspec import field

from orch.settings.discovery import Discovery
from orch.settings.outliers import Breakers, Ejection
from orch.settings.probe_structs import MaintenanceWindow, Probe
from orch.settings.recovery_structs import Recovery
from orch.settings.section import (
    Command,
    Count,
    CountOrNone,
    FilePath,
    HeaderName,
    NotNegative,
    Path,
    PathOrNone,
    Secret,
    Section,
    Url,
)
from orch.settings.shedding import Concurrency
from orch.settings.warm_up import WarmUp


class Instance(Section, frozen=True):
    """A further instance of the same service. ``max_concurrency`` 0: as the service's.

    ``restart_command`` restarts this instance alone; the service's one then stands for the others.
    """

    url: Url
    weight: Count = 1
    max_concurrency: CountOrNone = 0
    restart_command: Command = ()


Dialect = Literal["livetranslate", "openai", "libretranslate", "deepgram", "deepl"]

DIALECTS: Final[dict[str, tuple[Dialect, ...]]] = {
    "audio-service": ("livetranslate", "openai", "deepgram"),
    "translation-service": ("livetranslate", "libretranslate", "openai", "deepl"),
}
"""The dialects of each service; services with other names are only routed to, whatever their API."""

STREAMING_DIALECTS: Final[tuple[Dialect, ...]] = ("openai", "deepgram")
"""The dialects that have a WebSocket for live speech."""

Balancing = Literal["round_robin", "least_requests", "fastest", "sticky"]
HEALTH_ENDPOINT: Final = "/api/health"


class Service(Section, frozen=True):
    """A back end: its address, its API, and its restart command.

    User and password in a URL are sent as Basic credentials. ``path``: the path for transcription or
    translation, "" for the dialect's own. ``headers`` and ``query`` are added to the service's own requests.
    ``ca_file``: a PEM file, trusted in addition to the system's certificates. ``glossary``: the id of a
    glossary that DeepL stores. ``vocabulary``: names and terms, as :func:`orch.protocol.terms.read_line`
    reads them: the audio-service is sent what may be said, the translation-service what stays or has a
    translation.
    ``streaming``: whether live speech goes over the dialect's WebSocket;
    ``auto``: if the dialect is ``deepgram``. ``streaming_model``: its model, "" for the default.
    ``streaming_protocol``: what a server in OpenAI's dialect speaks at ``/v1/realtime``.
    ``billing``: whether requests cost money; ``auto``: if they carry a key, or other added headers or query.
    ``balancer``: how an instance is chosen; ``sticky`` sends requests with the same value of
    ``sticky_header``, or of one client without it, to the same instance. ``slow_start``: seconds in which the
    share of an instance that returned grows to all of its weight. ``breaker``, ``ejection``: when an instance
    that fails gets no requests.
    ``max_concurrency``: how many requests an instance is sent at a time; 0: as ``concurrency`` says.
    ``auto``: 4 for translation in the dialects ``livetranslate`` and ``libretranslate``, ``found`` for speech
    in ``livetranslate`` and ``openai``, ``unlimited`` for all others.
    ``discovery``: where further instances are found. ``drain``: seconds that an instance which is no longer
    among them has for the requests that it is working on. ``warm_up``: a request before an instance gets
    others.
    """

    url: Url
    health_endpoint: Path = HEALTH_ENDPOINT
    weight: Count = 1
    instances: tuple[Instance, ...] = ()
    dialect: Dialect = "livetranslate"
    model: str = ""
    api_key: Secret = ""
    ca_file: FilePath = ""
    path: PathOrNone = ""
    headers: dict[str, Secret] = field(default_factory=dict)
    query: dict[str, Secret] = field(default_factory=dict)
    glossary: str = ""
    vocabulary: tuple[str, ...] = ()
    streaming: Literal["auto", "always", "never"] = "auto"
    streaming_model: str = ""
    streaming_protocol: Literal["openai", "vllm"] = "openai"
    billing: Literal["auto", "paid", "free"] = "auto"
    balancer: Balancing = "round_robin"
    sticky_header: HeaderName = ""
    slow_start: NotNegative = 10
    max_concurrency: CountOrNone = 0
    concurrency: Concurrency = "auto"
    breaker: Breakers = Breakers()
    ejection: Ejection = Ejection()
    discovery: Discovery = Discovery()
    drain: NotNegative = 30
    warm_up: WarmUp = WarmUp()
    restart_command: Command = ()
    probe: Probe = Probe()
    recovery: Recovery = Recovery()
    maintenance: tuple[MaintenanceWindow, ...] = ()

    @property
    def is_paid(self) -> bool:
        """Whether each request may cost money."""
        if self.billing == "auto":
            return bool(self.api_key or self.headers or self.query)
        return self.billing == "paid"

    @property
    def is_streaming(self) -> bool:
        """Whether live speech goes over a WebSocket."""
        if self.streaming == "auto":
            return self.dialect == "deepgram"
        return self.streaming == "always" and self.dialect in STREAMING_DIALECTS

    def all_instances(self) -> tuple[Instance, ...]:
        """Return every instance, the one at ``url`` first."""
        own = Instance(url=self.url, weight=self.weight, max_concurrency=self.max_concurrency)
        return (own, *self.instances)


DEFAULT_SERVICES: Final = {
    "audio-service": Service(url="http://audio-service:5001"),
    "translation-service": Service(url="http://translation-service:5003"),
}
