"""A real Chromium: started, used, crashed, hung, attached to, killed; and no process left."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from orch.bots.chromium import evidence as evidence_module
from orch.bots.chromium.arguments import Launch, is_sandbox_possible
from orch.bots.chromium.attaching import run_attached
from orch.bots.chromium.errors import (
    BrowserEndedError,
    BrowserNotStartedError,
    CommandError,
    ElementError,
    NavigationError,
    PageCrashedError,
    PageHungError,
    ScriptError,
    SessionLostError,
)
from orch.bots.chromium.evidence import collect
from orch.bots.chromium.failures import LogTail
from orch.bots.chromium.guard import descendants
from orch.bots.chromium.page import Page, run_page
from orch.bots.chromium.page_messages import PageOptions
from orch.bots.chromium.process import Browser, installed, run_browser
from orch.bots.chromium.profiles import Profiles
from orch.bots.chromium.usage import usage
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.processes import family, is_alive, parent
from tests.fakes.tools import require

pytestmark = [pytest.mark.process, pytest.mark.real_time, pytest.mark.slow, pytest.mark.browser]


MEETING = """<!doctype html><title>Meeting</title><body style="margin:0">
<input id="name" value="Guest"><button id="join" onclick="document.title=name_.value">Join</button>
<button id="off" disabled>Off</button><button id="gone" style="display:none">Gone</button>
<div style="position:relative"><button id="under">Under</button>
<div id="over" style="position:absolute;inset:0"></div></div>
<my-panel></my-panel>
<script>
  const name_ = document.getElementById("name");
  window.first = window.early;
  customElements.define("my-panel", class extends HTMLElement {
    constructor() {
      super();
      this.attachShadow({ mode: "open" }).innerHTML = "<button>Deep</button>";
      this.shadowRoot.firstChild.onclick = () => { document.title = "deep"; };
    }
  });
</script>"""

POLICY = (
    "Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; frame-src *; style-src *\r\n"
)


async def serve(stream: trio.SocketStream) -> None:
    """Serve one request: ``/frame?PORT`` has a frame of another site, all else is the meeting."""
    async with stream:
        head = b""
        while b"\r\n\r\n" not in head:
            part = await stream.receive_some()
            if not part:
                return
            head += part
        path = head.split(b" ")[1].decode()
        body = MEETING
        if path.startswith("/frame?"):
            body = f'<title>outer</title><iframe src="http://localhost:{path[7:]}/inner"></iframe>'
        data = body.encode()
        start = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n{POLICY}"
        await stream.send_all(
            f"{start}Connection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
        )


def launch_of(*extra: str) -> Launch:
    require("chromium")
    return Launch(
        program=installed(), is_sandboxed=is_sandbox_possible(os.getuid()), language="pt-BR", extra=extra
    )


@asynccontextmanager
async def browsing(folder: Path, *extra: str) -> AsyncIterator[tuple[Browser, trio.Nursery]]:
    """Run a browser for the block; then nothing of it is left."""
    profiles = Profiles(folder / "profiles")
    async with trio.open_nursery() as nursery:
        with trio.fail_after(PATIENCE):
            browser: Browser = await nursery.start(run_browser, launch_of(*extra), profiles)
        pids = processes(browser)
        yield browser, nursery
        pids += processes(browser)
        nursery.cancel_scope.cancel()
    assert [pid for pid in pids if is_alive(pid)] == []
    assert list(profiles.folder.iterdir()) == []


def processes(browser: Browser) -> list[int]:
    """Return the guard and all processes below it, while the browser runs."""
    guard = parent(browser.process)
    return [] if guard is None else family(guard)


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """Return the exceptions in a group, however deep."""
    found: list[BaseException] = []
    for each in group.exceptions:
        found += leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return found


async def test_a_page_is_opened_read_and_used(tmp_path: Path) -> None:
    """Scripts before the page's own in all frames, a world of ours, messages, clicks, text, evidence."""
    options = PageOptions(
        scripts=("window.early = 'before'; report(location.host + ' ' + (window === top))",),
        world_scripts=("window.loaded = 'in our world';",),
        bindings=("report",),
        world_bindings=("ours",),
    )
    log = LogTail()
    async with browsing(tmp_path) as (browser, nursery):
        assert browser.version.startswith("Chrome/")
        port = (await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1")))[
            0
        ].socket.getsockname()[1]
        with trio.fail_after(PATIENCE):

            async def start_page() -> Page:
                page: Page = await nursery.start(partial(run_page, browser.devtools, options, log=log))
                return page

            page = await start_page()
            await assert_page_is_read(page, port)
            await assert_elements_are_clicked(page)
            await assert_messages_arrive(page, port)
            await page.call("() => { console.log('hello from', 'the page'); }", in_page_world=True)
            await page.call("() => { console.log('\\ud800'); }", in_page_world=True)  # no valid Unicode
            evidence = await collect(page, now=12.0)
            assert evidence.missing == ()
            assert evidence.picture.startswith(b"\xff\xd8")
            assert "<iframe" in evidence.html
            assert evidence.url.startswith("http://127.0.0.1")
            assert "page log: hello from the page" in evidence.lines
            with pytest.raises(CommandError, match="wasn't found"):
                await browser.devtools.command("No.such")
            used = usage(browser.process)
            assert used.processes > 3
            assert 50_000_000 < used.memory < 2_000_000_000
            with pytest.raises(NavigationError, match="ERR_CONNECTION_REFUSED"):
                await page.open(f"http://127.0.0.1:{free_port()}/secret?token=t")


async def assert_page_is_read(page: Page, port: int) -> None:
    await page.open(f"http://127.0.0.1:{port}/?secret=1")
    assert await page.call("() => document.title") == "Meeting"
    assert await page.call("(a, b) => a + b.c", 1, {"c": 2}) == 3
    assert await page.call("async () => 'later'") == "later"
    assert await page.call("() => [window.first, window.early]", in_page_world=True) == ["before"] * 2
    ours = "() => [typeof window.early, typeof window.report, typeof window.ours, window.loaded]"
    assert await page.call(ours) == ["undefined", "function", "function", "in our world"]
    assert await page.call(ours, in_page_world=True) == ["string", "function", "undefined", None]
    assert await page.call("() => navigator.language") == "pt-BR"
    assert await page.call("() => [innerWidth, innerHeight, document.hasFocus()]") == [1280, 720, True]
    assert (
        await page.call("async () => (await navigator.permissions.query({name: 'camera'})).state")
        == "granted"
    )
    with pytest.raises(ScriptError, match="on purpose"):
        await page.call("() => { throw new Error('on purpose'); }")
    await page.ping()


async def assert_elements_are_clicked(page: Page) -> None:
    find = "(id) => document.getElementById(id)"
    await page.type_text(find, "Zoë 字 😀", "name")
    await page.click(find, "join")
    assert await page.call("() => document.title") == "Zoë 字 😀"
    await page.click("() => document.querySelector('my-panel').shadowRoot.firstChild")
    assert await page.call("() => document.title") == "deep"
    for name, state in (("none", "missing"), ("gone", "hidden"), ("off", "disabled"), ("under", "covered")):
        with pytest.raises(ElementError) as caught:
            await page.click(find, name)
        assert caught.value.state == state
    # A dialog stops the page's scripts until it is closed.
    assert await page.call("() => { alert('stop'); return confirm('sure?'); }", in_page_world=True) is False
    assert "dialog: alert: stop" in page.log.lines


async def assert_messages_arrive(page: Page, port: int) -> None:
    with page.messages("report") as messages:
        await page.open(f"http://127.0.0.1:{port}/frame?{port}")
        found = {(await anext(messages)).text for _ in range(2)}
    assert found == {f"127.0.0.1:{port} true", f"localhost:{port} false"}
    with page.messages("report", capacity=5) as messages:
        await page.call(
            "() => { report('x'.repeat(300000)); for (let i = 0; i < 50; i++) report(String(i)); }",
            in_page_world=True,
        )
        assert [(await anext(messages)).text for _ in range(4)] == ["0", "1", "2", "3"]
        assert messages.lost == 47


async def test_hung_crashed_and_closed_pages_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser goes on; what waits for the page fails at once."""
    async with browsing(tmp_path) as (browser, _):

        async def page_ends(act: Callable[[Page], Awaitable[object]], error: type[Exception]) -> None:
            with pytest.raises(BaseExceptionGroup) as caught:  # noqa: PT012
                async with trio.open_nursery() as nursery:
                    page: Page = await nursery.start(run_page, browser.devtools, PageOptions())
                    with suppress(SessionLostError):  # a crash is one
                        await act(page)
                    await trio.sleep_forever()
            assert {type(each) for each in leaves(caught.value)} == {error}

        async def crash(page: Page) -> None:
            await page.crash()

        async def close(page: Page) -> None:
            await browser.devtools.command("Target.closeTarget", {"targetId": page._target})

        async def hang(page: Page) -> None:
            with trio.move_on_after(0.1):
                await page.call("() => { for (;;); }", in_page_world=True)
            evidence = await collect(page, now=1.0)
            assert [each.partition(":")[0] for each in evidence.missing] == ["address", "picture", "html"]
            await page.watch(interval=0.05, patience=0.5)

        monkeypatch.setattr(evidence_module, "PATIENCE", 0.2)
        with trio.fail_after(PATIENCE):
            await page_ends(crash, PageCrashedError)
            await page_ends(close, SessionLostError)
            await browser.devtools.command("Target.setDiscoverTargets", {"discover": True})
            with browser.devtools.subscribe("Target.targetDestroyed") as destroyed:
                await page_ends(hang, PageHungError)
                await destroyed.receive()  # a page that hangs is closed all the same


async def active_port(profiles: Path) -> str:
    """Return the port of the only browser's DevTools, which it writes into a file soon after its start."""
    with trio.fail_after(PATIENCE):
        while True:
            for file in profiles.glob("*/data/DevToolsActivePort"):
                if lines := file.read_text(encoding="utf-8").splitlines():
                    return lines[0]
            await trio.sleep(0.01)  # another program's file: there is no event to wait for


async def test_a_killed_browser_is_noticed_and_a_foreign_one_left_running(tmp_path: Path) -> None:
    """Attached to by its port, in a tab that is closed at the end; then killed."""
    with pytest.RaisesGroup(BrowserEndedError) as caught:
        async with browsing(tmp_path, "--remote-debugging-port=0") as (browser, _):
            url = f"http://127.0.0.1:{await active_port(tmp_path / 'profiles')}"

            await browser.devtools.command("Target.setDiscoverTargets", {"discover": True})
            with browser.devtools.subscribe("Target.targetDestroyed") as destroyed:
                async with trio.open_nursery() as nursery:
                    with trio.fail_after(PATIENCE):
                        attached: Browser = await nursery.start(run_attached, url)
                        page: Page = await nursery.start(run_page, attached.devtools, PageOptions())
                        assert await page.call("() => 1 + 1") == 2
                    nursery.cancel_scope.cancel()
                with trio.fail_after(PATIENCE):
                    assert (await destroyed.receive()).params["targetId"] == page._target
            with pytest.RaisesGroup(BrowserNotStartedError, allow_unwrapped=True):
                await run_attached("http://127.0.0.1:1")
            os.kill(browser.process, signal.SIGKILL)
            await trio.sleep_forever()
    assert "SIGKILL" in str(caught.value.exceptions[0])


SERVICE = """
import sys, trio
from pathlib import Path
from orch.bots.chromium.arguments import Launch
from orch.bots.chromium.page import run_page
from orch.bots.chromium.page_messages import PageOptions
from orch.bots.chromium.process import run_browser
from orch.bots.chromium.profiles import Profiles

async def main():
    async with trio.open_nursery() as nursery:
        launch = Launch(program=sys.argv[1], is_sandboxed=sys.argv[3] == "yes")
        browser = await nursery.start(run_browser, launch, Profiles(Path(sys.argv[2])))
        page = await nursery.start(run_page, browser.devtools, PageOptions())
        await page.call("() => { setTimeout(() => { for (;;); }, 1); }")
        print("ready", flush=True)

trio.run(main)
"""


def test_no_process_outlives_a_killed_service(tmp_path: Path) -> None:
    """SIGKILL while a page hangs: zygotes, renderers, crash handler, all."""
    launch, folder = launch_of(), tmp_path / "profiles"
    argv = [
        sys.executable,
        "-c",
        SERVICE,
        launch.program,
        str(folder),
        "yes" if launch.is_sandboxed else "no",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "ready\n"
        pids = descendants(service.pid)
        assert len(pids) > 5
        service.kill()
    descriptors = []
    for pid in pids:
        try:
            descriptors.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], PATIENCE)[0]
        os.close(descriptor)
    assert [each.suffix for each in folder.iterdir()] == [".lock"]
