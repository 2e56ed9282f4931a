// What another participant of the sandbox's first layout sees: when captions change, and when the picture of the
// bot's camera does. Runs in the isolated world; `orchWatcher.read()` returns what is new since the last call.
(() => {
  if (window !== window.top) return;
  const WIDTH = 320;
  const HEIGHT = 180;
  // A pixel has changed by more than this much of 255, and so many must: noise of the codec is less.
  const CHANGE = 48;
  const PIXELS = 12;

  const captions = [];
  const changes = [];
  const shown = new WeakMap();

  function look() {
    const region = document.querySelector("[role=region][aria-label=Captions]");
    for (const block of region?.children ?? []) {
      const text = block.lastElementChild?.textContent ?? "";
      if (!text || block.localName === "select" || block.childElementCount < 2 || shown.get(block) === text) continue;
      shown.set(block, text);
      captions.push({ text, at: Date.now() / 1000 });
    }
    watchCamera();
  }

  const paint = new OffscreenCanvas(WIDTH, HEIGHT).getContext("2d", { willReadFrequently: true });
  let watched = null;
  let before = null;

  /** Watches the first camera of another guest. */
  function watchCamera() {
    const tiles = document.querySelectorAll("[data-requested-participant-id]");
    const video = [...tiles].map((tile) => tile.querySelector("video")).find((each) => each?.srcObject);
    if (!video || video === watched) return;
    watched = video;
    before = null;
    const next = () => {
      if (watched !== video) return;
      paint.drawImage(video, 0, 0, WIDTH, HEIGHT);
      const now = paint.getImageData(0, 0, WIDTH, HEIGHT).data;
      if (before) {
        let changed = 0;
        for (let at = 0; at < now.length; at += 4) {
          if (Math.abs(now[at] - before[at]) + Math.abs(now[at + 1] - before[at + 1]) > CHANGE) changed += 1;
        }
        if (changed >= PIXELS) changes.push({ pixels: changed, at: Date.now() / 1000 });
      }
      before = now;
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  }

  const start = () => {
    new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
    look();
  };
  if (document.documentElement) start();
  else document.addEventListener("readystatechange", start, { once: true });

  globalThis.orchWatcher = {
    read: () => ({ captions: captions.splice(0), changes: changes.splice(0), hasCamera: watched !== null }),
  };
})();
