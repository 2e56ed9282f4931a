"""``orch``: serve, demo, check."""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from orch.settings import Fault, SettingsError, decode

if TYPE_CHECKING:
    from orch.demo_sharing import DemoSharing
    from orch.processes import Children, ProcessSpec
    from orch.settings import Instance, Orchestration
    from orch.settings.bots import Bots, MeetingOrigin
    from orch.settings.live import LiveSettings
    from orch.telemetry.events import EventLog

USAGE_ERROR: Final = 2
FAILED: Final = 1
DEMO_MODEL: Final = "ORCH_DEMO_MODEL"
NO_MODEL: Final = "none"
INHERIT: Final = "--inherit"  # orch.workers.lifeline.FLAG, which --help need not import

AUDIO_SERVICE: Final = "audio-service"
MOST_AUDIO_SERVICES: Final = 8

MEETING_PORT: Final = 5010
MEETING_CODE: Final = "abc-defg-hij"
"""Of orch/sandbox/meeting/demo.yaml."""

SANDBOX: Final[Mapping[str, tuple[str, int]]] = {
    AUDIO_SERVICE: ("orch.sandbox.audio_service", 5001),
    "translation-service": ("orch.sandbox.translation_service", 5003),
}

OPTIONS: Final[Mapping[str, str]] = {
    "host": "host",
    "port": "port",
    "server": "server",
    "workers": "workers",
    "tls_certificate": "tls_cert",
    "tls_key": "tls_key",
}
"""Settings of ``orchestration.frontend``, and the command-line options that set them."""

EPILOGUE: Final = """\
Settings come from the file and from the environment (PORT=3001 orch serve); `orch check` checks them.
Point the service at real back ends with AUDIO_SERVICE_URL and TRANSLATION_SERVICE_URL.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 if the service failed, or 2 for invalid arguments or settings."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
    except SettingsError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return USAGE_ERROR
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orch",
        description="Live speech translation: speech in, translated captions out, for everyone in a session.",
        epilog=EPILOGUE,
    )
    parser.add_argument("--version", action="version", version=version("orchestration-service"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("serve", _serve, "run the service with the configured back ends"),
        ("demo", _demo, "run the service and small back ends for trying it out"),
    ):
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.add_argument("--config", metavar="FILE", help="settings (default: config/orchestration.yaml)")
        command.add_argument("--host", help="address to listen on")
        command.add_argument("--port", type=int, help="port to listen on; 0 chooses a free one")
        command.add_argument("--tls-cert", metavar="FILE", help="TLS certificate (PEM file); enables https")
        command.add_argument("--tls-key", metavar="FILE", help="its private key (PEM file)")
        command.add_argument("--server", choices=["orch", "hypercorn"], help="the HTTP server")
        if name == "serve":
            command.add_argument(
                "--workers", type=int, help="number of worker processes; more than one requires Redis"
            )
            command.add_argument(INHERIT, help=argparse.SUPPRESS)
        else:
            command.add_argument(
                "--share",
                action="store_true",
                help="give everyone on this network access by a link, over https with a self-signed "
                "certificate",
            )
            command.add_argument(
                "--model",
                default=os.environ.get(DEMO_MODEL, ""),
                help="Whisper model of the demo: a name such as base, a folder, or none for PocketSphinx "
                f"alone, which recognises English ({DEMO_MODEL}; default: base)",
            )
            command.add_argument(
                "--audio-services",
                type=_audio_services,
                default=1,
                metavar="N",
                help="how many audio-services to start, each a process of its own (default: 1)",
            )
        command.add_argument(
            "--log-format",
            choices=["json", "text"],
            help="json for log collectors, text for people (default: json; text with --share)",
        )
        command.set_defaults(run=run, workers=None, inherit=None)
    check = commands.add_parser("check", help="check the settings and print every fault")
    check.add_argument(
        "file", nargs="?", metavar="FILE", help="settings (default: config/orchestration.yaml)"
    )
    check.add_argument(
        "--ask",
        action="store_true",
        help="then test each back end once: health check, a few seconds of speech, a language pair",
    )
    check.set_defaults(run=_check)
    return parser


def _audio_services(text: str) -> int:
    count = int(text) if text.isascii() and text.isdigit() and len(text) < len("100") else 0
    if not 1 <= count <= MOST_AUDIO_SERVICES:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MOST_AUDIO_SERVICES}, got {text!r}")
    return count


def _check(options: argparse.Namespace) -> int:
    from orch.settings.extras import find_extras_faults  # noqa: PLC0415 - a check starts nothing
    from orch.settings.settings_file import find_file, read_file  # noqa: PLC0415 - the same
    from orch.tls.pair import find_pair_faults  # noqa: PLC0415 - the same
    from orch.tls.trust import find_faults  # noqa: PLC0415 - the same

    path = find_file(options.file, os.environ)
    decoded = decode(read_file(path), os.environ, name=str(path))
    frontend = decoded.settings.orchestration.frontend
    faults = [*decoded.faults, *find_faults(decoded.settings), *find_extras_faults(decoded.settings)]
    faults += find_pair_faults(frontend.tls_certificate, frontend.tls_key)
    if faults:
        raise SettingsError(faults)
    if decoded.ignored:
        print(f"Ignored, as service links of Kubernetes or Docker: {', '.join(decoded.ignored)}.")
    given = f", with {', '.join(decoded.environment)} from the environment" if decoded.environment else ""
    print(f"{path} is good{given}.")
    if not options.ask:
        return 0
    import trio  # noqa: PLC0415 - only where something is asked

    from orch.back_end_checks import check_all  # noqa: PLC0415 - the same
    from orch.telemetry.logs import configure  # noqa: PLC0415 - the same

    configure("ERROR", pretty=True)
    is_well = trio.run(check_all, decoded.settings, partial(print, flush=True))
    return 0 if is_well else FAILED


def _serve(options: argparse.Namespace) -> int:
    return _run(options, {}, {})


def _demo(options: argparse.Namespace) -> int:
    """Start sandbox back ends for the services without a configured URL."""
    from orch.settings.settings_file import find_file, read_file  # noqa: PLC0415 - not needed for --help
    from orch.sockets import AddressError, reserve_port  # noqa: PLC0415 - the same

    path = find_file(options.config, os.environ)
    settings = decode(read_file(path), os.environ, name=str(path)).settings
    if settings.orchestration.frontend.workers > 1:
        one = "expected 1: orch demo runs one worker; orch serve can run several"
        raise SettingsError([Fault("orchestration.frontend.workers", one)])
    overlay: dict[str, Any] = {}
    children: dict[str, dict[str, ProcessSpec]] = {}
    counts = {AUDIO_SERVICE: options.audio_services}
    with ExitStack() as reserved:
        for name, (_, usual_port) in SANDBOX.items():
            service, count = settings.services.get(name), counts.get(name, 1)
            if service is None or service.url != f"http://{name}:{usual_port}":
                if count > 1:
                    why = f"expected 1: the demo starts no {name}, since services.{name}.url is set"
                    raise SettingsError([Fault(f"--{name}s", why)])
                continue
            # Of demos that start at the same moment, each keeps ports of its own, also while its back ends
            # are restarted: another demo's must not respond in their place.
            try:
                ports = [
                    reserved.enter_context(reserve_port(usual_port + 10 * number)).getsockname()[1]
                    for number in range(count)
                ]
            except AddressError as error:
                print(error, file=sys.stderr)
                return USAGE_ERROR
            urls = [f"http://127.0.0.1:{port}" for port in ports]
            overlay[f"services.{name}.url"] = urls[0]
            if count > 1:
                others = [{"url": url} for url in urls[1:]]
                overlay[f"services.{name}.instances"] = others + [_plain(each) for each in service.instances]
            children[name] = {
                url: _sandbox(options, name, port, f"{name}-{number}" if count > 1 else name)
                for number, (url, port) in enumerate(zip(urls, ports, strict=True), start=1)
            }
        try:
            companions = _demo_meeting(settings.orchestration.bots, overlay, reserved)
        except AddressError as error:
            print(error, file=sys.stderr)
            return USAGE_ERROR
        sharing = _shared(options, overlay) if options.share else None
        return _run(options, overlay, children, sharing, companions)


def _demo_meeting(bots: "Bots", overlay: dict[str, Any], reserved: ExitStack) -> "list[ProcessSpec]":
    """Return the program with a meeting to send bots to, and add its settings to ``overlay``.

    None if bots are off, or a meeting is configured. Raises :class:`orch.sockets.AddressError`.
    """
    from orch.sockets import reserve_port  # noqa: PLC0415 - not needed for --help

    if not bots.enabled or bots.demo_meeting:
        return []
    port = reserved.enter_context(reserve_port(MEETING_PORT)).getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    origins = [_plain(each) for each in bots.meeting_origins if each.origin != origin]
    overlay["orchestration.bots.meeting_origins"] = [{"origin": origin}, *origins]
    overlay["orchestration.bots.demo_meeting"] = f"{origin}/{MEETING_CODE}"
    return [_program("orch.sandbox.meeting", port, "demo meeting")]


def _plain(value: "Instance | MeetingOrigin") -> Any:
    """Return a struct of the settings as a value of the settings."""
    from msgspec import to_builtins  # noqa: PLC0415 - not needed for --help

    return to_builtins(value)


def _sandbox(options: argparse.Namespace, service: str, port: int, name: str) -> "ProcessSpec":
    """Return the child process ``name`` of a service of the sandbox."""
    module, _ = SANDBOX[service]
    has_model = service == AUDIO_SERVICE and options.model
    return _program(module, port, name, *(_demo_engine(options.model) if has_model else ()))


def _program(module: str, port: int, name: str, *more: str) -> "ProcessSpec":
    """Return the child process ``name``: a program of the sandbox that listens on a reserved port."""
    from orch.processes import ProcessSpec  # noqa: PLC0415 - not needed for --help

    argv = (sys.executable, "-m", module, "--port", str(port), "--shared-port", "--exit-with-stdin", *more)
    return ProcessSpec(name=name, argv=argv)


def _shared(options: argparse.Namespace, overlay: dict[str, Any]) -> "DemoSharing":
    """Return the sharing of this run, and add its settings to ``overlay``."""
    from orch.demo_sharing import DemoSharing  # noqa: PLC0415 - the same
    from orch.settings.settings_file import find_file, read_file  # noqa: PLC0415 - not needed for --help

    path = find_file(options.config, os.environ)
    given = {f"orchestration.frontend.{key}": value for key, value in _given(options).items()}
    decoded = decode(read_file(path), os.environ, name=str(path), overlay=overlay | given)
    if decoded.faults:
        raise SettingsError(list(decoded.faults))
    sharing = DemoSharing(
        decoded.settings,
        host=options.host,
        port=options.port,
        sources=decoded.sources,
        wall=time.time,
    )
    options.host = None  # now set by the overlay
    options.log_format = options.log_format or "text"
    overlay.update(sharing.overlay)
    return sharing


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """Return the `orchestration.frontend` settings from the command line."""
    found = {key: getattr(options, option) for key, option in OPTIONS.items()}
    return {key: value for key, value in found.items() if value is not None}


def _demo_engine(model: str) -> list[str]:
    """Return the audio-service's options for the demo's ``--model``.

    Raises :class:`SettingsError` if it cannot be used.
    """
    if model == NO_MODEL:
        return ["--engine", "pocketsphinx"]
    from orch.sandbox.engines import whisper  # noqa: PLC0415 - only where a model is given

    reason = None
    if not whisper.is_installed():
        reason = "faster-whisper is not installed: pip install 'orchestration-service[whisper]'"
    elif whisper.is_folder(model):
        reason = whisper.missing_from(model)
    if reason is not None:
        raise SettingsError([Fault(f"--model {model}", reason)])
    return ["--model", model]


def _run(
    options: argparse.Namespace,
    overlay: dict[str, Any],
    children: "Children",
    sharing: "DemoSharing | None" = None,
    companions: "Sequence[ProcessSpec]" = (),
) -> int:
    import trio  # noqa: PLC0415 - `orch check` and `--help` answer at once

    from orch.open_files import raise_limit  # noqa: PLC0415 - the same
    from orch.sockets import AddressError, open_groups  # noqa: PLC0415 - the same
    from orch.telemetry.events import EventLog  # noqa: PLC0415 - the same
    from orch.telemetry.logs import configure  # noqa: PLC0415 - the same
    from orch.terminal import Terminal  # noqa: PLC0415 - the same
    from orch.workers.lifeline import Lifeline  # noqa: PLC0415 - the same

    on_hangup = Terminal().on_hangup(always=options.run is _demo) if options.inherit is None else None
    lifeline = None if options.inherit is None else Lifeline.inherit(options.inherit)
    log = partial(
        configure, pretty=options.log_format == "text", worker=None if lifeline is None else lifeline.place
    )
    log("INFO")
    raise_limit()
    events = EventLog(wall=time.time)
    configuration = _configuration(options, overlay, events, is_printed_later=sharing is not None)
    orchestration = configuration.current.orchestration
    log(orchestration.log_level)
    is_greeted = options.log_format == "text" and lifeline is None and sharing is None
    greet = _greet if is_greeted else lambda _addresses: None
    try:
        if lifeline is None and orchestration.frontend.workers > 1:
            made = overlay.get("orchestration.control_token")
            return _run_workers(orchestration, {"ORCH_CONTROL_TOKEN": made} if made else {}, greet, on_hangup)
        if lifeline is None:
            (sockets,) = open_groups(orchestration.frontend.host, orchestration.frontend.port, 1)
        else:
            sockets = ()  # the worker inherits them
    except AddressError as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    from orch.serving import serve  # noqa: PLC0415 - the parent of workers serves nothing itself

    run = partial(serve, configuration, events, children, sockets, lifeline=lifeline, companions=companions)
    invite = None if sharing is None else sharing.print_invitation
    return trio.run(partial(run, on_ready=greet, on_hangup=on_hangup, invite=invite))


def _run_workers(
    orchestration: "Orchestration",
    environ: Mapping[str, str],
    greet: Callable[[Sequence[str]], None],
    on_hangup: Callable[[], None] | None,
) -> int:
    """Run the configured number of workers, each with this command line plus one option.

    ``environ``: values that the parent generated for this run. ``on_hangup``: as the parent's.
    """
    import trio  # noqa: PLC0415 - see _run

    from orch.sockets import addresses, open_groups, own_ports, require_free  # noqa: PLC0415 - the same
    from orch.workers.parent import Workers  # noqa: PLC0415 - the same

    frontend = orchestration.frontend
    scheme = "https" if frontend.tls_certificate else "http"
    for port in own_ports(frontend.worker_ports, frontend.workers):
        require_free("127.0.0.1", port, variable="WORKER_PORTS")
    groups = open_groups(frontend.host, frontend.port, frontend.workers)
    workers = Workers(
        [sys.executable, *sys.orig_argv[1:]],
        groups,
        grace=orchestration.shutdown_grace,
        environ=environ,
        on_ready=partial(greet, addresses(groups[0], scheme=scheme)),
        on_hangup=on_hangup,
        scheme=scheme,
    )
    return trio.run(workers.run)


def _greet(addresses: Sequence[str]) -> None:
    """Print the addresses to open, if the output is a terminal."""
    from orch.greeting import greeting  # noqa: PLC0415 - see _run
    from orch.network_addresses import lan_addresses  # noqa: PLC0415 - the same

    print(greeting(addresses, lan_addresses()), flush=True)


def _configuration(
    options: argparse.Namespace, overlay: dict[str, Any], events: "EventLog", *, is_printed_later: bool
) -> "LiveSettings":
    """Read settings and command line; generate a control token if it listens beyond loopback without one.

    ``is_printed_later``: the token is printed once the service runs.
    """
    from orch.access.addresses import is_loopback  # noqa: PLC0415 - see _run
    from orch.settings.extras import find_extras_faults  # noqa: PLC0415 - the same
    from orch.settings.live import LiveSettings  # noqa: PLC0415 - the same
    from orch.settings.settings_file import find_file  # noqa: PLC0415 - the same

    overlay.update({f"orchestration.frontend.{key}": value for key, value in _given(options).items()})
    path = find_file(options.config, os.environ)
    configuration = LiveSettings(path, os.environ, events=events, wall=time.time, overlay=overlay)
    if faults := find_extras_faults(configuration.current):
        raise SettingsError(faults)
    orchestration = configuration.current.orchestration
    if is_loopback(orchestration.frontend.host) or orchestration.control_token:
        return configuration
    token = secrets.token_urlsafe(24)
    if not is_printed_later:
        print(
            "Other machines can reach the service, so changes need a token. The token of this run:\n"
            f"{token}\nSet one with ORCH_CONTROL_TOKEN.",
            file=sys.stderr,
        )
    overlay["orchestration.control_token"] = token
    return LiveSettings(path, os.environ, events=events, wall=time.time, overlay=overlay)
