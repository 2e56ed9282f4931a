"""The Quart-Trio application: pages, static files and the control API.

It is one part of the ASGI application (:mod:`orch.application`), which asks :meth:`Pages.is_control_path`
before it gives an ``/api`` path to the gateway.
"""

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final

import structlog
import trio
from quart import Blueprint, Response, g, request
from quart_schema import HttpSecurityScheme, Info, QuartSchema, hide
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioRequest
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import RequestRedirect

from orch.access.actions import NEW_WORK
from orch.access.actors import actor_of
from orch.access.service import Access
from orch.package_files import resource
from orch.problems import ProblemError
from orch.protocol.identifiers import new_request_id
from orch.protocol.request_id import request_id
from orch.settings.source import SettingsSource
from orch.telemetry.boundaries import Boundary
from orch.telemetry.histogram import Histogram
from orch.telemetry.names.access import ALL_RATE_LIMITED
from orch.telemetry.names.front import FRONT_SECONDS
from orch.telemetry.names.metric import Distribution, Reading
from orch.telemetry.process_readings import installed_version
from orch.telemetry.traces import OFF, Tracer
from orch.web import pages as pages_module
from orch.web import sign_in
from orch.web.alert_notifications import LARGEST as ALERTS_LIMIT
from orch.web.alert_notifications import PATH as ALERTS_PATH
from orch.web.assets import Assets
from orch.web.bot_speech import LARGEST as SPEECH_LIMIT
from orch.web.compression import compress
from orch.web.control_paths import ControlPaths
from orch.web.errors import answer_errors
from orch.web.http_door import SessionKeys, enter_route
from orch.web.interface import interface, name_language
from orch.web.openapi import Provider
from orch.web.security import headers_of
from orch.web.spans import trace_requests
from orch.web.texts import LANGUAGES, Catalogue, catalogue_path, parse_catalogue
from orch.web.tus import PIECE
from orch.web.uploads import RECORDING_LIMIT, RECORDING_OVERHEAD
from orch.websocket.connections.handshake import Refused

log = structlog.get_logger("web")

BODY_LIMIT: Final = 131_072
PROBES: Final = frozenset({"/livez", "/readyz", "/metrics"})
UNBOUNDED: Final = 2**62
"""Of bodies that their reader limits, by the settings; None would mean :data:`BODY_LIMIT`."""


class LimitedRequest(TrioRequest):
    """A request whose body is limited as its path allows."""

    def __init__(self, method: str, scheme: str, path: str, *args: Any, **named: Any) -> None:
        if path.startswith("/api/sessions/") and path.endswith("/recordings"):
            named["max_content_length"] = RECORDING_LIMIT + RECORDING_OVERHEAD
        elif method == "PATCH" and path.startswith("/api/sessions/") and "/uploads/" in path:
            named["max_content_length"] = PIECE
        elif method == "POST" and path.startswith("/api/bots/") and path.endswith("/speak"):
            named["max_content_length"] = SPEECH_LIMIT
        elif method == "POST" and path == ALERTS_PATH:
            named["max_content_length"] = ALERTS_LIMIT
        elif method == "POST" and path.startswith("/api/pipeline/"):
            named["max_content_length"] = UNBOUNDED
        super().__init__(method, scheme, path, *args, **named)
        self.max_content_length = named.get("max_content_length")
        self.max_form_memory_size = BODY_LIMIT


class Pages(QuartTrio):
    """The Quart application, which knows its own paths."""

    request_class = LimitedRequest

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.boundary = Boundary("page and API requests")
        self.throttled = 0
        """Requests that were refused with 429."""
        self.times = {door: Histogram(FRONT_SECONDS.buckets) for door in FRONT_SECONDS.labels[0].values}
        self._control_paths: ControlPaths | None = None
        """Made at the first request; Quart takes no rules from then on."""

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        yield from self.boundary.readings()
        yield Reading(ALL_RATE_LIMITED, self.throttled, ("http",))
        for door, times in self.times.items():
            yield Distribution(FRONT_SECONDS, times, (door,))

    def is_control_path(self, path: str) -> bool:
        """Return whether this application serves ``path``, with any method; if so, the gateway does not."""
        if self._control_paths is None:
            self._control_paths = ControlPaths(rule.rule for rule in self.url_map.iter_rules())
        if not self._control_paths.may_have(path):
            return False
        adapter = self.url_map.bind("localhost")
        try:
            adapter.match(path, method="GET")
        except NotFound:
            return False
        except (MethodNotAllowed, RequestRedirect):
            return True
        return True


def create_pages(
    *,
    settings: SettingsSource,
    access: Access,
    session_keys: SessionKeys,
    socket_refusal: Callable[[Any], Refused | None],
    refuse_work: Callable[[], ProblemError | None] = lambda: None,
    blueprints: Iterable[Blueprint],
    assets: Assets | None = None,
    tracer: Tracer = OFF,
) -> Pages:
    """Return the application: pages, sign-in, static files and the control API (``blueprints``).

    ``socket_refusal`` returns why a handshake with a scope would be refused, ``refuse_work`` why new work is
    (:data:`~orch.access.actions.NEW_WORK`). ``assets``: read from the static
    folder if not given.
    """
    app = Pages("orch.web", static_folder=None, template_folder=str(resource("templates")))
    app.config.update(MAX_CONTENT_LENGTH=BODY_LIMIT, BODY_TIMEOUT=60, RESPONSE_TIMEOUT=60)
    app.config["GATEWAY_ROUTES"] = lambda: settings.current.orchestration.gateway.routes
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    files = assets or Assets.load(resource("static"))
    catalogues = _catalogues(files)
    app.context_processor(_reader)
    app.context_processor(lambda: interface(catalogues))
    app.jinja_env.globals.update(asset=files.url, modules=files.modules, nav=pages_module.NAVIGATION)
    QuartSchema(
        app,
        openapi_path="/openapi.json",
        redoc_ui_path=None,
        scalar_ui_path=None,
        swagger_ui_path=None,
        conversion_preference="msgspec",
        openapi_provider_class=Provider,
        info=Info(title="LiveTranslate orchestration service", version=installed_version()),
        security_schemes={"control": HttpSecurityScheme(scheme="bearer")},
    )
    trace_requests(app, tracer)
    _guard(app, session_keys, refuse_work)
    app.register_blueprint(
        pages_module.blueprint(
            public_url=lambda: settings.current.orchestration.frontend.public_url,
            frame_ancestors=lambda: settings.current.orchestration.frontend.frame_ancestors,
        )
    )
    app.register_blueprint(sign_in.blueprint(access))
    _explain_plain_socket_requests(app, socket_refusal)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    _serve_static(app, files)
    answer_errors(app, app.boundary)
    return app


def _catalogues(files: Assets) -> dict[str, Catalogue]:
    """Return the interface's texts of each language that has a catalogue among the static files."""
    found = ((language, files.get(catalogue_path(language))) for language in LANGUAGES)
    return {language: parse_catalogue(asset.body) for language, asset in found if asset is not None}


def _reader() -> dict[str, Any]:
    """Pass the page's reader to templates: guests get no operators' navigation."""
    return {"actor": actor_of(request.scope)}


def _guard(app: Pages, keys: SessionKeys, refuse_work: Callable[[], ProblemError | None]) -> None:
    """Give every request an id, let it in or not, and add the security headers to every response."""

    @app.before_request
    async def begin() -> None:
        g.began_at = trio.current_time()
        g.request_id = request_id(request.scope["headers"], new_request_id)
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        rule = None if request.url_rule is None else request.url_rule.rule
        session_id = (request.view_args or {}).get("session_id")
        await enter_route(request.scope, rule, session_id, keys)
        if (request.method, rule) in NEW_WORK and (problem := refuse_work()) is not None:
            raise problem

    @app.after_request
    async def finish(response: Response) -> Response:
        app.throttled += response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        for name, value in headers_of(response.mimetype or "", path=request.path).items():
            response.headers.setdefault(name, value)
        # Versioned files are kept for a year, and a page has a hundred of them: they need no id.
        if "immutable" not in response.headers.get("Cache-Control", ""):
            response.headers.setdefault("X-Request-Id", g.get("request_id", ""))
        response.headers.setdefault("Cache-Control", "no-cache")
        if request.method == "OPTIONS" and "Allow" in response.headers:
            response.headers["Allow"] = _methods(app, request.path) or response.headers["Allow"]
        if _is_empty(response):
            response.headers.pop("Content-Type", None)  # no body has no type; Quart sets text/html
        name_language(response)
        await _compress_page(response)
        began_at = g.get("began_at")
        if began_at is not None:
            app.times[_door(request.path)].observe(trio.current_time() - began_at)
        return response

    @app.teardown_request
    async def end(_error: BaseException | None) -> None:
        structlog.contextvars.unbind_contextvars("request_id")


def _door(path: str) -> str:
    """Return the kind of a path, by which the times of responses are shown."""
    if path.startswith("/static/"):
        return "static"
    if path.startswith("/api/"):
        return "api"
    return "probe" if path in PROBES else "page"


def _explain_plain_socket_requests(app: Pages, socket_refusal: Callable[[Any], Refused | None]) -> None:
    """Explain a plain request to the WebSocket path: often a proxy removed the upgrade.

    A page also sends one to find out why its handshake failed, so a refusal is named first.
    """

    @app.get("/ws")
    @hide
    async def plain_socket() -> Response:
        refused = socket_refusal(request.scope)
        if refused is not None:
            raise refused.problem
        raise ProblemError(
            "upgrade_required",
            "/ws accepts only WebSocket handshakes, and this request has no Upgrade: websocket "
            "header. If your client sent it, a proxy removed it: configure the proxy to forward the "
            "headers Upgrade and Connection.",
            headers={"Upgrade": "websocket"},
        )


def _methods(app: Pages, path: str) -> str:
    """Return the methods of a path that is literally a route; empty if it only matches a pattern."""
    methods = {
        method for rule in app.url_map.iter_rules() if rule.rule == path for method in rule.methods or ()
    }
    return ", ".join(sorted(methods))


_REDIRECTION: Final = 3


def _is_empty(response: Response) -> bool:
    status = response.status_code
    return status == HTTPStatus.NO_CONTENT or status // 100 == _REDIRECTION or request.method == "OPTIONS"


async def _compress_page(response: Response) -> None:
    """Compress a page, none of which contains a secret."""
    if response.mimetype == "text/html" and response.status_code != HTTPStatus.NOT_MODIFIED:
        await compress(response)


def _serve_static(app: Pages, files: Assets) -> None:
    @app.get("/static/<path:address>")
    @hide
    async def static_file(address: str) -> Response:
        path, keep = files.split(address)
        asset = files.get(path)
        if asset is None:
            raise NotFound
        headers = {"Cache-Control": keep, "Vary": "Accept-Encoding"}
        # A file whose version is in its address is never asked for again.
        if "immutable" not in keep:
            headers["ETag"] = asset.etag
        if asset.etag in request.headers.get("If-None-Match", ""):
            return Response(b"", status=304, headers=headers)
        body = asset.body
        if asset.compressed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            body = asset.compressed
            headers["Content-Encoding"] = "gzip"
        return Response(body, content_type=asset.content_type, headers=headers)

    icon = files.get("icon.svg")
    if icon is not None:

        @app.get("/favicon.ico")
        @hide
        async def favicon() -> Response:
            return Response(
                icon.body, content_type=icon.content_type, headers={"Cache-Control": "max-age=86400"}
            )
