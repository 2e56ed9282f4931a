import assert from "node:assert/strict";
import { test } from "node:test";

import { EndFollower } from "../../static/js/components/end-follower.js";
import { fakeBrowser } from "../fakes/js/dom.js";

/** A list of 1,000 px in a window of 100; positions are held within it, as a browser does. */
class Scroll extends EventTarget {
  #top = 0;
  scrollHeight = 1_000;
  clientHeight = 100;

  get scrollTop() {
    return this.#top;
  }

  set scrollTop(value) {
    this.#top = Math.max(0, Math.min(value, this.scrollHeight - this.clientHeight));
  }

  get isAtEnd() {
    return this.#top === this.scrollHeight - this.clientHeight;
  }

  /** The browser says that it was scrolled, by the reader or by itself. */
  moved(top = this.#top) {
    this.scrollTop = top;
    this.dispatchEvent(new Event("scroll"));
  }
}

function started(t, options = {}) {
  const browser = fakeBrowser();
  const scroll = new Scroll();
  const end = new EndFollower({ scroll, ...options });
  end.start();
  t.after(() => {
    end.stop();
    browser.restore();
  });
  end.follow();
  scroll.moved();
  return { browser, scroll, end };
}

test("the end stays in view while the list grows", (t) => {
  const { browser, scroll, end } = started(t);
  scroll.scrollHeight = 5_000;
  end.followSoon();
  end.followSoon();
  assert.ok(!scroll.isAtEnd);
  browser.paint();
  assert.ok(scroll.isAtEnd);
});

test("a list that grew before it was said that it was scrolled is followed", (t) => {
  const { browser, scroll, end } = started(t);
  end.follow();
  scroll.scrollHeight = 5_000;
  scroll.moved();
  assert.ok(end.isFollowing);
  browser.paint();
  assert.ok(scroll.isAtEnd);
});

test("a reader who scrolls up stays there, and is followed again at the end", (t) => {
  let changes = 0;
  const { scroll, end } = started(t, { onChange: () => { changes += 1; } });
  changes = 0;
  scroll.moved(500);
  assert.deepEqual([end.isFollowing, changes], [false, 1]);
  scroll.scrollHeight = 5_000;
  end.follow();
  assert.equal(scroll.scrollTop, 500);
  scroll.moved(4_860);
  assert.ok(end.isFollowing);
  end.follow();
  assert.ok(scroll.isAtEnd);
});

test("a list that shrank above is not scrolled up by the reader", (t) => {
  const { browser, scroll, end } = started(t);
  scroll.scrollHeight = 700;
  scroll.moved(500);
  assert.ok(end.isFollowing);
  browser.paint();
  assert.ok(scroll.isAtEnd);
});

test("what the reader looks at is not left for the end, though it is near it", (t) => {
  let isSought = true;
  const { scroll, end } = started(t, { mayFollow: () => !isSought });
  end.letGo();
  scroll.moved(880);
  assert.ok(!end.isFollowing);
  isSought = false;
  scroll.moved(880);
  assert.ok(end.isFollowing);
});

test("a jump goes to the end and follows it", (t) => {
  const { scroll, end } = started(t);
  scroll.moved(0);
  end.jump();
  assert.ok(scroll.isAtEnd && end.isFollowing);
});

test("a stopped one listens to nothing and has no frame to come", (t) => {
  const { browser, scroll, end } = started(t);
  end.followSoon();
  end.stop();
  assert.deepEqual(browser.left(), { listeners: 0, timers: 0, observers: 0 });
  scroll.moved(0);
  assert.ok(end.isFollowing);
});
