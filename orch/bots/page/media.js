// The bot's media in a page: sound to the service, camera and microphone from it.

import { Connections } from "./connections.js";
import { Devices } from "./devices.js";
import { Picture } from "./picture.js";
import { Speech } from "./speech.js";
import { TrackSounds } from "./track_sounds.js";
import { Uplink } from "./uplink.js";
import { RATE, decodeMessage } from "./wire.js";

/** Starts everything; nothing is opened before the page opens a device or receives sound. */
export function startMedia(page, { media, worklet }) {
  // What the page could replace later is taken now.
  const { AudioContext, AudioWorkletNode, MediaStreamAudioSourceNode, MediaStreamAudioDestinationNode } = page;
  const { Audio, DOMException, HTMLMediaElement, ImageData, MediaDeviceInfo, MediaDevices, MediaStream, MediaStreamTrack } = page;
  const { OverconstrainedError, RTCPeerConnection, WebSocket, document, navigator, performance } = page;
  const window = {
    AudioContext, AudioWorkletNode, MediaStreamAudioSourceNode, MediaStreamAudioDestinationNode,
    Audio, DOMException, HTMLMediaElement, ImageData, MediaDeviceInfo, MediaDevices, MediaStream, MediaStreamTrack,
    OverconstrainedError, document, navigator, performance,
    setInterval: page.setInterval.bind(page), setTimeout: page.setTimeout.bind(page),
  };
  const name = page.crypto.getRandomValues(new Uint32Array(4)).join("-");
  let context = null;
  let running = null;
  let picture = null;
  let speech = null;

  const isSilenced = () => running !== null && running.state !== "running";
  const sound = () => {
    context ??= openContext(window, worklet).then((opened) => {
      running = opened;
      opened.onstatechange = () => uplink.send({ type: "silenced", is_silenced: isSilenced() });
      return opened;
    });
    return context;
  };
  const uplink = new Uplink({
    open: () => new WebSocket(media.address),
    hello: () => ({
      page: name,
      tracks: sounds.shown,
      camera: picture !== null,
      microphone: speech !== null,
      is_silenced: isSilenced(),
    }),
    receive: (data) => receive(data),
    timers: { set: window.setTimeout },
  });
  const sounds = new TrackSounds({ window, context: sound, uplink });
  const devices = new Devices({
    window,
    size: () => picture.size,
    picture: media.camera ? () => {
      if (!picture) {
        picture = new Picture({ window, width: media.width, height: media.height });
        uplink.send({ type: "opened", device: "camera" });
      }
      return picture.source;
    } : null,
    speech: media.microphone ? async () => {
      const opened = await sound();
      if (!speech) {
        const onPlayed = ({ number, samples }) => uplink.send({ type: "played", number, samples });
        speech = new Speech({ window, context: opened, onPlayed });
        uplink.send({ type: "opened", device: "microphone" });
      }
      return speech.source;
    } : null,
  });
  const found = new Set();
  const connections = new Connections({
    window: page,
    isOwn: (track) => devices.isOwn(track),
    receivesVideo: media.video,
    onTrack: (track, isReceived) => {
      if (isReceived) for (const each of found) sounds.remove(each); // what was found before may be the same sound
      found[isReceived ? "clear" : "add"](track);
      void sounds.add(track);
    },
    onLook: () => {
      for (const each of found) if (each.readyState === "ended") found.delete(each);
      sounds.sweep();
      // A browser that was not started for bots runs sound only after a click in the page.
      if (isSilenced()) void running.resume();
    },
  });

  function receive(data) {
    if (typeof data === "string") {
      const text = JSON.parse(data);
      if (text.type === "hush") speech?.hush(text.number);
      return;
    }
    const message = decodeMessage(data);
    if (message?.kind === "speech") {
      speech?.add(message.number, message.samples);
    } else if (message?.kind === "picture" && picture) {
      picture.draw(message);
      uplink.send({ type: "drawn", number: message.number });
    }
  }

  if (RTCPeerConnection && MediaDevices) {
    devices.install();
    connections.install();
  }
}

// Seconds of sound that the audio thread makes at once. Chromium stores 100 ms of a track for it and drops what
// is more, so that a thread that is late by a call of 10 ms loses sound on a loaded machine; with 60 ms it may be
// late by 40 ms. A context without a sink is late more often: its clock is an ordinary timer.
const AT_ONCE = 0.06;

/** Returns an AudioContext with the worklet. */
async function openContext(window, worklet) {
  const context = new window.AudioContext({ sampleRate: RATE, latencyHint: AT_ONCE });
  const address = `data:text/javascript;charset=utf-8,${encodeURIComponent(worklet)}`;
  await context.audioWorklet.addModule(address);
  return context;
}
