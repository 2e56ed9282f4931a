"""Chromium's command line and environment for a bot. Pure.

The switches are Chromium's: https://peter.sh/experiments/chromium-command-line-switches/. No switch hides
that the browser is automated, and none replaces microphone or camera by Chromium's test signal: the page's
own getUserMedia is overridden by script, and real audio must never be mixed with a beep.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

from msgspec import Struct

MIB: Final = 1024 * 1024

DEFAULT_HEAP: Final = 512
"""MiB of JavaScript objects per page process. A meeting page uses some 100 to 250."""

_FIXED: Final = (
    # Without a window. The "new" mode is the whole browser, not a separate implementation.
    "--headless=new",
    "--disable-gpu",  # there is none, and its process costs 50 MiB
    "--hide-scrollbars",
    # Containers have 64 MiB of /dev/shm, and a page that needs more is killed by SIGBUS.
    "--disable-dev-shm-usage",
    # The first start asks nothing, and nothing is loaded, reported or updated by itself.
    "--no-startup-window",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    # The spare process is for a faster second page, and a bot has one.
    (
        "--disable-features=SpareRendererForSitePerProcess,MediaRouter,OptimizationHints,Translate,"
        "AutofillServerCommunication"
    ),
    # A page that is not looked at runs at full speed: nobody ever looks at this one.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    # A page that hangs is found by the bot, which reports it; a dialog would wait for ever.
    "--disable-hang-monitor",
    "--disable-prompt-on-repost",
    "--noerrdialogs",
    # Sound: starts without a click, and does not come out of this machine's loudspeaker.
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    # Cookies are encrypted with a fixed key, not the desktop's, so that a profile works on another machine.
    "--password-store=basic",
    "--use-mock-keychain",
)


class Launch(Struct, frozen=True, kw_only=True):
    """How a browser is started.

    ``program``: the path of Chromium. ``language``: of the interface, a BCP 47 tag; that of the captions is
    the meeting's own setting and independent of it. ``width``, ``height``: of the page, CSS pixels.
    ``is_sandboxed``: Chromium's own sandbox of its page processes. ``heap``: MiB of JavaScript objects per
    page process, after which the page crashes. ``process_memory``: MiB of private memory of each process, 0
    for no limit (see :func:`data_limit`). ``template``: a signed-in profile to copy, or "".
    ``extra``: further switches; they win over the built-in ones.
    """

    program: str
    language: str = "en"
    width: int = 1280
    height: int = 720
    is_sandboxed: bool = True
    heap: int = DEFAULT_HEAP
    process_memory: int = 0
    template: str = ""
    extra: tuple[str, ...] = ()


def command_line(launch: Launch, data: PurePath) -> tuple[str, ...]:
    """Return Chromium's command line with ``data`` as its profile. DevTools is on descriptors 3 and 4."""
    return (
        launch.program,
        *_FIXED,
        f"--user-data-dir={data}",
        "--remote-debugging-pipe",
        f"--window-size={launch.width},{launch.height}",
        f"--lang={launch.language}",
        f"--accept-lang={accepted_languages(launch.language)}",
        f"--js-flags=--max-old-space-size={launch.heap}",
        *(() if launch.is_sandboxed else ("--no-sandbox", "--test-type")),  # --test-type: without its banner
        *launch.extra,
    )


def accepted_languages(language: str) -> str:
    """Return the value of ``--accept-lang``: the tag, and its language without a region.

    >>> accepted_languages("pt-BR")
    'pt-BR,pt'
    >>> accepted_languages("de")
    'de'
    """
    base = language.partition("-")[0]
    return language if base == language else f"{language},{base}"


def environment(environ: Mapping[str, str], *, home: PurePath, language: str) -> dict[str, str]:
    """Return the browser's environment: what finds programs and libraries, and nothing of the service.

    Its home, its temporary files and the user's configuration are in the profile, and end with it. On Linux
    the interface's language comes from ``LANGUAGE``. There is no display and no desktop session.
    """
    passed_on = {name: environ[name] for name in _PASSED_ON if name in environ}
    places = dict.fromkeys(_PLACES, str(home))
    return {**passed_on, **places, "LANGUAGE": language.replace("-", "_"), "LANG": "C.UTF-8"}


_PASSED_ON: Final = (
    "PATH",
    "LD_LIBRARY_PATH",
    "TZ",
    "FONTCONFIG_FILE",
    "FONTCONFIG_PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
_PLACES: Final = ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")


def is_sandbox_possible(user: int) -> bool:
    """Return whether Chromium's sandbox can be used: as root Chromium refuses to start with it."""
    return user != 0


def data_limit(launch: Launch) -> int:
    """Return ``RLIMIT_DATA`` of each process in bytes, 0 for none.

    It counts private writable memory. A limit on the address space is impossible: V8 reserves a terabyte.
    """
    return launch.process_memory * MIB
