/** The sound of a tab or the system: what is asked of the browser, and what becomes of every answer. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { SharedSound } from "../../static/js/audio/shared-sound.js";
import { FakeStream, FakeTrack } from "../fakes/js/audio.js";
import { TEXTS } from "../fakes/js/texts.js";

const say = ({ key, values }) => TEXTS.en.text(key, values);

/** Media devices whose browser shares a picture and, with `hasSound`, its sound. */
function sharing({ hasSound = true, refuse = null, supported = { suppressLocalAudioPlayback: true }, answer = Promise.resolve() } = {}) {
  const asked = [];
  const tracks = [new FakeTrack("a tab", {}, "video"), ...(hasSound ? [new FakeTrack("Tab audio", {})] : [])];
  const mediaDevices = {
    getSupportedConstraints: () => supported,
    getDisplayMedia: async (options) => {
      asked.push(options);
      await answer;
      if (refuse) throw Object.assign(new Error("refused"), { name: refuse });
      return new FakeStream(tracks);
    },
  };
  return { asked, tracks, shared: new SharedSound({ mediaDevices }) };
}

test("the picture is stopped at once, the sound stays, unprocessed and audible", async () => {
  const { shared, asked, tracks } = sharing();
  assert.equal(await shared.open(), true);
  const [picture, sound] = tracks;
  assert.deepEqual([picture.isStopped, sound.isStopped], [true, false]);
  assert.deepEqual(shared.stream.getTracks(), [sound]);
  const { audio } = asked[0];
  assert.deepEqual([audio.echoCancellation, audio.noiseSuppression, audio.autoGainControl, audio.suppressLocalAudioPlayback], [false, false, false, false]);
  assert.equal(await shared.open(), true);
  assert.equal(asked.length, 1, "what is shared already is not asked for again");
  shared.close();
  assert.equal(sound.isStopped, true);
  assert.equal(shared.stream, null);
});

test("a picture without sound is not shared; what to do depends on the browser", async () => {
  for (const [supported, words] of [[{ suppressLocalAudioPlayback: true }, /Also share tab audio/], [{}, /Chrome or Edge/]]) {
    const { shared, tracks } = sharing({ hasSound: false, supported });
    await assert.rejects(shared.open(), (error) => error.code === "shared_silence" && words.test(say(error.action)));
    assert.equal(tracks[0].isStopped, true);
    assert.equal(shared.stream, null);
    assert.equal(shared.isKnownToShareSound, "suppressLocalAudioPlayback" in supported);
  }
});

test("every rejection has a sentence and what to do, and may be tried again", async () => {
  for (const refuse of ["NotAllowedError", "NotFoundError", "NotReadableError", "InvalidStateError", "AbortError"]) {
    const { shared, asked } = sharing({ refuse });
    for (const times of [1, 2]) {
      await assert.rejects(shared.open(), (error) => /\.$/.test(say(error.text)) && say(error.action).length > 10);
      assert.equal(asked.length, times);
    }
  }
});

test("a browser that cannot share says so without asking", async () => {
  for (const mediaDevices of [undefined, {}]) {
    const shared = new SharedSound({ mediaDevices: mediaDevices ?? null });
    assert.equal(shared.isKnownToShareSound, false);
    await assert.rejects(shared.open(), { code: "sharing_unsupported" });
  }
});

test("closed while the browser asks, nothing stays shared", async () => {
  let answer;
  const { shared, tracks } = sharing({ answer: new Promise((resolve) => (answer = resolve)) });
  const opening = shared.open();
  shared.close();
  answer();
  assert.equal(await opening, false);
  assert.ok(tracks.every(({ isStopped }) => isStopped));
  assert.equal(shared.stream, null);
});

test("a tab that is closed is said once; closing it oneself is not", async () => {
  const { shared, tracks } = sharing();
  const said = [];
  shared.addEventListener("ended", ({ detail }) => said.push(say(detail.text)));
  await shared.open();
  tracks[1].dispatchEvent(new Event("ended"));
  tracks[1].dispatchEvent(new Event("ended"));
  assert.equal(said.length, 1);
  assert.match(said[0], /tab was closed/);
  assert.equal(shared.stream, null);
});
