// The other ends of one guest's audio and video: plays the clips of the others, and receives the guest's
// camera and microphone as another participant would.

const RATE = 48_000;
const CAMERA = { width: 320, height: 180, rate: 5 };
// Milliseconds between reports of how loud the guest is, and the level that is worth one.
const LISTENING = 500;
const AUDIBLE = 0.002;
// Milliseconds after which sound that has not started is reported.
const STARTING = 1000;

const code = location.pathname.split("/")[1];
const key = new URLSearchParams(location.search).get("guest");
const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const socket = new WebSocket(`${scheme}//${location.host}/${code}/far?guest=${key}`);
const context = new AudioContext({ sampleRate: RATE });
const clips = new Map();

const send = (message) => {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
};

/** Returns the samples of a clip; each is loaded once. */
function clip(name) {
  if (!clips.has(name)) {
    clips.set(name, fetch(`/${code}/clips/${name}`)
      .then((response) => response.arrayBuffer())
      .then((data) => context.decodeAudioData(data)));
  }
  return clips.get(name);
}

/** Starts the sound. A window of its own needs a click for it, unless its browser was started without. */
function allowSound() {
  const reported = setTimeout(() => {
    if (context.state !== "running") send({ type: "silenced" });
  }, STARTING);
  void context.resume().then(() => clearTimeout(reported));
}

/** What is sent to the guest: a track per open channel, cameras, and captions. */
class Down {
  #channels = new Map();
  #cameras;
  #usesData;
  #pc = null;
  #data = null;
  #answered = null;
  #work = Promise.resolve();

  constructor({ cameras, data_channel: usesData }) {
    this.#cameras = cameras;
    this.#usesData = usesData;
  }

  /** Connects with these channels. */
  open(channels) {
    this.close();
    const pc = new RTCPeerConnection();
    this.#pc = pc;
    pc.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate) send({ type: "signal", data: { pc: "down", candidate } });
    });
    pc.addEventListener("connectionstatechange", () => {
      if (pc.connectionState === "connected") send({ type: "connected" });
    });
    if (this.#usesData) this.#data = pc.createDataChannel("captions", { ordered: true });
    for (const { channel, who } of channels) this.#add(channel, who);
    for (const name of this.#cameras) pc.addTransceiver(camera(name), { direction: "sendonly" });
    // A connection needs something to connect for.
    if (!channels.length && !this.#cameras.length && !this.#usesData) pc.createDataChannel("idle");
    this.#negotiate(pc, true);
  }

  /** Opens or closes one channel. */
  change(channel, who, isOpen) {
    if (!this.#pc) return;
    if (isOpen) {
      this.#add(channel, who);
    } else {
      const { transceiver, silence } = this.#channels.get(channel) ?? {};
      transceiver?.stop();
      silence?.stop();
      this.#channels.delete(channel);
    }
    this.#negotiate(this.#pc, false);
  }

  /** Plays a clip on a channel, `wait` seconds from now; one that has begun is joined where it is. */
  async play({ utterance, channel, clip: name, gain, in: wait }) {
    const due = performance.now() / 1000 + wait;
    const buffer = await clip(name);
    const destination = this.#channels.get(channel)?.destination;
    if (!destination) return;
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(new GainNode(context, { gain })).connect(destination);
    const left = due - performance.now() / 1000;
    if (left >= 0) source.start(context.currentTime + left);
    else if (-left < buffer.duration) source.start(0, -left);
    send({ type: "played", utterance, late: Math.max(0, -left) });
  }

  /** Sends a caption as the call's own connection carries it. */
  caption({ block, revision, id, text }) {
    if (this.#data?.readyState !== "open") return;
    this.#data.send(JSON.stringify({ segment: block, version: revision, device: id, text }));
  }

  async receive({ description, candidate }) {
    if (!this.#pc) return;
    if (candidate) {
      await this.#pc.addIceCandidate(candidate);
    } else {
      await this.#pc.setRemoteDescription(description);
      this.#answered?.();
    }
  }

  close() {
    this.#answered?.();
    this.#pc?.close();
    this.#pc = this.#data = null;
    for (const { silence } of this.#channels.values()) silence.stop();
    this.#channels.clear();
  }

  #add(channel, who) {
    const destination = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    // With nothing connected that plays, a destination is not pulled, and its track has gaps.
    const silence = new ConstantSourceNode(context, { offset: 0 });
    silence.connect(destination);
    silence.start();
    const [track] = destination.stream.getAudioTracks();
    const transceiver = this.#pc.addTransceiver(track, { direction: "sendonly", streams: [destination.stream] });
    this.#channels.set(channel, { destination, silence, transceiver, who });
  }

  /** Offers what there is; the next offer waits for the answer to this one. */
  #negotiate(pc, isNew) {
    this.#work = this.#work.then(async () => {
      if (pc !== this.#pc) return;
      const answered = new Promise((resolve) => { this.#answered = resolve; });
      await pc.setLocalDescription();
      const owners = {};
      for (const { transceiver, who } of this.#channels.values()) owners[transceiver.mid] = who;
      send({ type: "signal", data: { pc: "down", isNew, owners, description: pc.localDescription } });
      await answered;
    });
  }
}

/** Returns the video of a participant's camera: a coloured picture whose bar moves. */
function camera(name) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: CAMERA.width, height: CAMERA.height });
  const paint = canvas.getContext("2d");
  let step = 0;
  setInterval(() => {
    paint.fillStyle = "#345";
    paint.fillRect(0, 0, CAMERA.width, CAMERA.height);
    paint.fillStyle = "#fff";
    paint.font = "24px sans-serif";
    paint.fillText(name, 12, 96);
    paint.fillRect((step++ * 8) % CAMERA.width, 160, 40, 8);
  }, 1000 / CAMERA.rate);
  return canvas.captureStream(CAMERA.rate).getVideoTracks()[0];
}

/** What the guest sends: shown and measured as another participant has it. */
class Up {
  #pc = null;
  #timer = 0;

  async receive({ description, candidate }) {
    if (candidate) {
      await this.#pc?.addIceCandidate(candidate);
      return;
    }
    this.close();
    this.#pc = new RTCPeerConnection();
    this.#pc.addEventListener("icecandidate", ({ candidate: found }) => {
      if (found) send({ type: "signal", data: { pc: "up", candidate: found } });
    });
    this.#pc.addEventListener("track", ({ track }) => (track.kind === "video" ? this.#see(track) : this.#listen(track)));
    await this.#pc.setRemoteDescription(description);
    await this.#pc.setLocalDescription();
    send({ type: "signal", data: { pc: "up", description: this.#pc.localDescription } });
  }

  close() {
    this.#pc?.close();
    this.#pc = null;
    clearInterval(this.#timer);
    document.querySelector("#guest-camera")?.remove();
    document.querySelector("#guest-microphone")?.remove();
  }

  #see(track) {
    const video = document.createElement("video");
    Object.assign(video, { id: "guest-camera", muted: true, autoplay: true, playsInline: true });
    // Only what is inside of the window is drawn, even if the window is a frame of one pixel.
    Object.assign(video.style, { position: "fixed", inset: "0", width: "100%", height: "100%" });
    video.srcObject = new MediaStream([track]);
    document.body.append(video);
  }

  #listen(track) {
    const stream = new MediaStream([track]);
    // Chromium decodes a remote track for an audio graph only while an element plays it, too.
    const audio = document.createElement("audio");
    Object.assign(audio, { id: "guest-microphone", muted: true, autoplay: true });
    audio.srcObject = stream;
    document.body.append(audio);
    const analyser = new AnalyserNode(context, { fftSize: 2048 });
    new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.#timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const level = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
      if (level > AUDIBLE) send({ type: "heard", level });
    }, LISTENING);
  }
}

document.addEventListener("click", allowSound);

let down = null;
const up = new Up();
let signals = Promise.resolve();

socket.addEventListener("message", ({ data }) => {
  const message = JSON.parse(data);
  switch (message.type) {
    case "begin":
      down = new Down(message);
      message.clips.forEach(clip);
      allowSound();
      break;
    case "channels":
      down.open(message.open);
      break;
    case "channel":
      down.change(message.channel, message.who, message.is_open);
      break;
    case "sound":
      void down.play(message);
      break;
    case "caption":
      down.caption(message);
      break;
    case "network":
      if (!message.is_up) {
        down.close();
        up.close();
      }
      break;
    case "signal":
      signals = signals
        .then(() => (message.data.pc === "down" ? down : up).receive(message.data))
        .catch((error) => {
          // A connection that was closed meanwhile needs its signals no more.
          if (error.name !== "InvalidStateError") throw error;
        });
      break;
  }
});
socket.addEventListener("close", () => {
  down?.close();
  up.close();
});
