"""Pages behind a proxy that blocks WebSockets: their message, and their recovery."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LOST, PageAt
from tests.fakes.nginx import nginx_before
from tests.fakes.service import RunningService, service

pytestmark = pytest.mark.browser

TOKEN = "s3cret-token"  # noqa: S105 - a test's own
PASSED_ON = "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run a service that asks operators for its token."""
    folder = tmp_path_factory.mktemp("guarded")
    with service("serve", folder, environ={"ORCH_CONTROL_TOKEN": TOKEN}) as running:
        yield running


def test_a_socket_that_a_proxy_refuses_is_not_a_service_that_is_away(
    guarded: RunningService, page_at: PageAt, tmp_path: Path
) -> None:
    """A proxy that drops Upgrade: guests see what to do, operators what to configure."""
    with nginx_before(tmp_path, f"proxy_pass {guarded.url}; {PASSED_ON}") as url:
        page = page_at(url + "/translation", width=360, expects=(*LOST, "426"))
        bar = page.locator("#connection-text")
        expect(bar).to_contain_text("something in between rejects the live connection")
        expect(bar).to_contain_text("Try another network, or tell the person who sent you the link.")
        expect(bar).not_to_contain_text("Upgrade")
        page.goto(url + "/sign-in?next=/gateway")
        page.get_by_label("Control token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(bar).to_contain_text("forward the headers Upgrade, Connection and Host for /ws")
        expect(page.locator("#connection-next")).to_contain_text("Trying")


def test_a_proxy_without_its_service_is_named(page_at: PageAt, tmp_path: Path) -> None:
    """A page that is open while the service stops: the proxy's own 502 is not a refused WebSocket."""
    sockets = (
        "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
    )
    expected = (*LOST, "502")
    place = tmp_path / "nginx"
    place.mkdir()
    with (
        service("serve", tmp_path, environ={"ORCH_CONTROL_TOKEN": TOKEN}) as running,
        nginx_before(place, f"proxy_pass {running.url}; {PASSED_ON} {sockets}") as url,
    ):
        page = page_at(url + "/translation", expects=expected)
        bar = page.locator("#connection-bar")
        expect(page.locator("#live")).to_have_attribute("data-state", "live")
        running.stop()
        words = "A proxy in front of the service got no response from it (502)."
        expect(bar).to_contain_text(words)
        expect(bar).to_contain_text("The connection to the service is lost.")


def test_a_service_that_is_away_is_said_to_be(page_at: PageAt, tmp_path: Path) -> None:
    """Without any response, only the missing service is reported."""
    with service("serve", tmp_path) as running:
        page = page_at(running.url + "/gateway", expects=LOST)
        expect(page.locator("#live")).to_have_attribute("data-state", "live")
        running.stop()
        bar = page.locator("#connection-text")
        expect(bar).to_contain_text("The connection to the service is lost. The figures shown are as of ")
