/** Every page starts and stops: a stopped page holds no listener, topic, timer, observer or socket. */

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { fakeBrowser } from "../fakes/js/dom.js";
import { FakeStorage, fakeWebSockets } from "../fakes/js/websocket.js";

// Components look up what a template holds when they are imported or made.
const importing = fakeBrowser();
const { LiveSocket } = await import("../../static/js/live-socket.js");
const PAGES = {
  connections: (await import("../../static/js/pages/connections/page.js")).ConnectionsPage,
  gateway: (await import("../../static/js/pages/gateway/page.js")).GatewayPage,
  overview: (await import("../../static/js/pages/overview/page.js")).OverviewPage,
  settings: (await import("../../static/js/pages/settings/page.js")).SettingsPage,
  translation: (await import("../../static/js/pages/translation/page.js")).TranslationPage,
  tree: (await import("../../static/js/pages/tree/page.js")).TreePage,
};
importing.restore();

const NOTHING = { observers: 0, timers: 0 };

/** A page of that name in a browser of its own, with a socket whose server the test plays. */
function open(t, name, options = {}) {
  const browser = fakeBrowser(options);
  t.after(browser.restore);
  const { WebSocketClass, made, newest } = fakeWebSockets();
  const signals = browser.window;
  const socket = new LiveSocket({ url: "ws://x", WebSocketClass, timers: browser.clock.timers, now: browser.clock.now, storage: new FakeStorage(), signals });
  const page = new PAGES[name](socket);
  const idle = browser.left();
  return { ...browser, socket, page, made, newest, idle };
}

for (const name of Object.keys(PAGES)) {
  test(`${name}: start and stop are idempotent, and nothing is left behind`, async (t) => {
    const { page, socket, made, newest, left, idle, clock } = open(t, name);
    assert.deepEqual({ observers: idle.observers, timers: idle.timers }, NOTHING, "a page that was not started does nothing");
    page.start();
    page.start();
    newest().greet();
    await clock.advance(1);
    const running = left();
    assert.equal(made.length, 1);
    assert.ok(running.listeners > idle.listeners && running.timers > 0);
    assert.ok(socket.statistics().topics.length > 0);
    page.stop();
    page.stop();
    await clock.advance(0);
    assert.deepEqual(left(), idle);
    assert.deepEqual(socket.statistics().topics, []);
    assert.equal(newest().closedBy.by, "client");
    assert.equal(socket.state.state, "stopped");
  });

  test(`${name}: a page that is started again holds what it held the first time`, async (t) => {
    const { page, newest, made, left, clock } = open(t, name);
    page.start();
    newest().greet();
    await clock.advance(1);
    const first = left();
    page.stop();
    page.start();
    newest().greet();
    await clock.advance(1);
    assert.equal(made.length, 2);
    assert.equal(left().listeners, first.listeners);
    page.stop();
  });
}

after(importing.restore);
