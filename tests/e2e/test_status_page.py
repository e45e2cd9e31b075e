"""The status page in a real browser: what it shows, what it does not run, and that it recovers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from remx_server.config import Config
from remx_server.owners import Owner
from remx_server.serve import Server
from support.browser import Browser
from support.wire import Wire, hello, stream_of

HOSTILE = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests; skips them where there is none."""
    with Browser("--window-size=1200,1000") as browser:
        yield browser


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(Config(listen="127.0.0.1:0", device="cpu", grace_seconds=0, metrics="127.0.0.1:0"))
    server.start()
    yield server
    server.stop()


def eventually(holds: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)


def load(browser: Browser, address: str) -> None:
    """Load the page, and forget what earlier ones left in the browser's logs."""
    browser.complaints()
    browser.requests()
    browser.driver.get(f"http://{address}/")


def cell(browser: Browser, label: str) -> str:
    """A cell of the first session."""
    return browser.text(f"#sessions tbody [data-label='{label}']")


def test_the_page_follows_a_session_from_beginning_to_end(browser: Browser, server: Server) -> None:
    load(browser, server.metrics_address)
    eventually(lambda: browser.text("#state") == "serving")
    assert browser.text("#nobody") == "No sessions."
    wire = Wire(stream_of(server.service, Owner("alice")), hello(client="a laptop"))
    tanh = wire.define("tanh", 1)
    data = wire.put([[1.0] * 100] * 100)

    def work() -> str:
        for _ in range(20):
            wire.release(wire.invoke(tanh, [data]))
        wire.settle()
        return cell(browser, "ops")

    eventually(lambda: work() not in ("", "0"))
    seen = cell(browser, "ops")
    eventually(lambda: work() != seen)
    assert cell(browser, "owner") == "alice"
    assert cell(browser, "client") == "a laptop"
    assert cell(browser, "memory") == "39.1 KiB"
    assert cell(browser, "state") == "running"
    eventually(lambda: work() and browser.text("#rate") not in ("", "0"))
    # The chart has a curve with some points, and says in words what it shows.
    eventually(
        lambda: work() and browser.run("return document.querySelector('#chart .curve').getAttribute('d')")
    )
    assert "highest" in browser.run("return document.getElementById('chart').getAttribute('aria-label')")
    assert "cpu(0)" in browser.text("#devices")
    bad = wire.op("gather_nd", wire.put([1, 2, 3]), wire.put([[7]]))
    wire.settle()
    eventually(lambda: cell(browser, "last error") == "INDEX_OUT_OF_RANGE (1)")
    assert browser.text("#errors tbody th") == "INDEX_OUT_OF_RANGE"
    assert bad
    wire.close()
    eventually(lambda: cell(browser, "owner") == "")
    assert not browser.run("return document.getElementById('nobody').hidden")
    assert browser.complaints() == []
    assert {address.split("/", 3)[2] for address in browser.requests()} == {server.metrics_address}


def test_a_hostile_name_is_text(browser: Browser, server: Server) -> None:
    wire = Wire(stream_of(server.service, Owner("<b>bob</b>")), hello(client=HOSTILE))
    wire.read(wire.put([1]))
    load(browser, server.metrics_address)
    eventually(lambda: cell(browser, "client"))
    assert cell(browser, "client") == HOSTILE
    assert cell(browser, "owner") == "<b>bob</b>"
    assert browser.driver.title == "remx server"
    assert (
        browser.run("return document.querySelectorAll('#sessions img, #sessions script, #sessions b').length")
        == 0
    )
    assert browser.complaints() == []
    wire.close()


def test_the_policy_stops_what_is_not_the_page_s(browser: Browser, server: Server) -> None:
    load(browser, server.metrics_address)
    eventually(lambda: browser.text("#state") == "serving")
    browser.run(
        "const s = document.createElement('script'); s.textContent = \"document.title = 'owned'\";"
        "document.body.append(s);"
        "const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i);"
    )
    assert browser.driver.title == "remx server"
    eventually(lambda: len(browser.complaints()) >= 1)


def test_the_page_recovers_when_the_server_pauses(browser: Browser) -> None:
    program = (
        "import sys, threading\n"
        "from remx_server.config import Config\n"
        "from remx_server.serve import Server\n"
        "server = Server(Config(listen='127.0.0.1:0', device='cpu', metrics='127.0.0.1:0'))\n"
        "server.start()\n"
        "print(server.metrics_address, flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().decode().strip()
        load(browser, address)
        eventually(lambda: browser.text("#state") == "serving")
        os.kill(process.pid, signal.SIGSTOP)
        eventually(lambda: browser.text("#state").startswith("no answer"))
        assert browser.run("return document.body.classList.contains('stale')")
        os.kill(process.pid, signal.SIGCONT)
        eventually(lambda: browser.text("#state") == "serving")
        assert not browser.run("return document.body.classList.contains('stale')")
    finally:
        process.kill()
        process.communicate()
    eventually(lambda: browser.text("#state").startswith("no answer"))


def test_a_draining_server_says_so(browser: Browser, server: Server) -> None:
    load(browser, server.metrics_address)
    eventually(lambda: browser.text("#state") == "serving")
    server.service.drain(0)
    eventually(lambda: browser.text("#state").startswith("draining"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read_in_both_schemes(
    browser: Browser, server: Server, scheme: str
) -> None:
    wire = Wire(stream_of(server.service, Owner("alice")), hello(client="x" * 200))
    wire.read(wire.put([1]))
    command = browser.driver.execute_cdp_cmd
    command(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    try:
        load(browser, server.metrics_address)
        eventually(lambda: cell(browser, "client"))
        assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
        for selector in ("body", ".soft", "#state", ".tiles dd", "#sessions td"):
            assert browser.run(CONTRAST, selector) >= 4.5, selector
    finally:
        command("Emulation.clearDeviceMetricsOverride", {})
        command("Emulation.setEmulatedMedia", {"features": []})
        wire.close()


CONTRAST = """
const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const rgb = text => text.match(/[0-9.]+/g).map(Number);
const element = document.querySelector(arguments[0]);
let ground = element;
while (ground && (rgb(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) ground = ground.parentElement;
const [a, b] = [getComputedStyle(element).color, getComputedStyle(ground || document.body).backgroundColor]
  .map(text => luminance(rgb(text))).sort((x, y) => y - x);
return (a + 0.05) / (b + 0.05);
"""
"""The contrast of an element's text with what is behind it, as the accessibility guidelines define it."""
