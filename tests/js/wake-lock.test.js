import assert from "node:assert/strict";
import { test } from "node:test";

import { WakeLock } from "../../static/js/components/wake-lock.js";

class FakePage extends EventTarget {
  visibilityState = "visible";

  show(state) {
    this.visibilityState = state;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

/** Grants locks until `isRefusing`; a lock that is released says so, as the browser's does. */
class FakeWakeLock {
  granted = [];
  isRefusing = false;

  async request(kind) {
    assert.equal(kind, "screen");
    if (this.isRefusing) throw new DOMException("low battery", "NotAllowedError");
    const lock = Object.assign(new EventTarget(), { isReleased: false, release() { this.isReleased = true; this.dispatchEvent(new Event("release")); } });
    this.granted.push(lock);
    return lock;
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("the screen stays awake, again after the page was hidden, and not after it has stopped", async () => {
  const [wakeLock, page] = [new FakeWakeLock(), new FakePage()];
  const awake = new WakeLock({ wakeLock, page });
  awake.start();
  await turn();
  assert.equal(awake.isHeld, true);
  page.show("hidden");
  wakeLock.granted[0].release();
  assert.equal(awake.isHeld, false);
  page.show("visible");
  await turn();
  assert.deepEqual([awake.isHeld, wakeLock.granted.length], [true, 2]);
  awake.stop();
  assert.equal(wakeLock.granted[1].isReleased, true);
  page.show("visible");
  await turn();
  assert.equal(wakeLock.granted.length, 2);
});

test("a lock that is granted after the page has stopped is released", async () => {
  const wakeLock = new FakeWakeLock();
  const awake = new WakeLock({ wakeLock, page: new FakePage() });
  awake.start();
  awake.stop();
  await turn();
  assert.equal(wakeLock.granted[0].isReleased, true);
});

test("where the browser refuses or has no such lock, the page goes on", async () => {
  const [wakeLock, page] = [new FakeWakeLock(), new FakePage()];
  wakeLock.isRefusing = true;
  const awake = new WakeLock({ wakeLock, page });
  awake.start();
  await turn();
  assert.equal(awake.isHeld, false);
  wakeLock.isRefusing = false;
  page.show("visible");
  await turn();
  assert.equal(awake.isHeld, true);
  new WakeLock({ wakeLock: null, page }).start();
});
