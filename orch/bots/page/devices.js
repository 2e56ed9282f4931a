// The bot's camera and microphone in place of this machine's: what the page asks for is what the bot has.

const GROUP = "orch";
const MICROPHONE = { kind: "audioinput", deviceId: "orch-microphone", label: "Bot microphone", groupId: GROUP };
const CAMERA = { kind: "videoinput", deviceId: "orch-camera", label: "Bot camera", groupId: GROUP };

/** Returns whether constraints exclude the one device there is. */
function excludes(constraints, deviceId) {
  const wanted = constraints?.deviceId?.exact;
  return wanted !== undefined && ![wanted].flat().includes(deviceId);
}

export class Devices {
  #window;
  #own = new WeakMap(); // the bot's tracks, each with its device
  #cloneTrack;
  #picture;
  #speech;
  #settings;

  /** picture, speech: return (a promise of) the sources; null if the bot has no such device.
   * size: returns the camera's. */
  constructor({ window, picture, speech, size }) {
    this.#window = window;
    this.#picture = picture;
    this.#speech = speech;
    this.#settings = {
      audio: () => ({ deviceId: MICROPHONE.deviceId, groupId: GROUP, channelCount: 1 }),
      video: () => ({ deviceId: CAMERA.deviceId, groupId: GROUP, frameRate: 30, ...size() }),
    };
  }

  /** Whether a track is the bot's own, or a copy of one. */
  isOwn(track) {
    return this.#own.has(track);
  }

  /** Puts the devices in the place of this machine's. */
  install() {
    const { navigator, MediaDevices, MediaStream, MediaStreamTrack } = this.#window;
    const open = (constraints) => this.open(constraints);
    this.#cloneTrack = MediaStreamTrack.prototype.clone;
    const clone = (track) => (this.isOwn(track) ? this.#copy(track, this.#own.get(track)) : this.#cloneTrack.call(track));
    replace(MediaStreamTrack.prototype, "clone", { clone() { return clone(this); } });
    replace(MediaStream.prototype, "clone", { clone() { return new MediaStream(this.getTracks().map(clone)); } });
    if (MediaDevices) {
      const list = MediaDevices.prototype.enumerateDevices;
      const found = async (target) => this.#listed(await list.call(target));
      replace(MediaDevices.prototype, "getUserMedia", { getUserMedia(constraints) { return open(constraints); } });
      replace(MediaDevices.prototype, "enumerateDevices", { enumerateDevices() { return found(this); } });
    }
    for (const name of ["getUserMedia", "webkitGetUserMedia"]) {
      if (typeof navigator[name] !== "function") continue;
      const legacy = { [name](constraints, done, failed) { open(constraints).then(done, failed); } };
      replace(Object.getPrototypeOf(navigator), name, legacy);
    }
  }

  /** What getUserMedia does. */
  async open(constraints) {
    const { audio = false, video = false } = constraints ?? {};
    if (!audio && !video) throw new TypeError("At least one of audio and video must be requested");
    if ((audio && !this.#speech) || (video && !this.#picture)) {
      throw new this.#window.DOMException("Requested device not found", "NotFoundError");
    }
    if ((audio && excludes(audio, MICROPHONE.deviceId)) || (video && excludes(video, CAMERA.deviceId))) {
      throw new this.#window.OverconstrainedError("deviceId", "");
    }
    const tracks = [];
    if (audio) tracks.push(this.#copy(await this.#speech(), MICROPHONE));
    if (video) tracks.push(this.#copy(await this.#picture(), CAMERA));
    return new this.#window.MediaStream(tracks);
  }

  /** Returns a copy of a source's track, so that a page that stops its own does not end the source. */
  #copy(source, device) {
    const track = this.#cloneTrack.call(source);
    this.#own.set(track, device);
    // Captions must stay readable: of a connection that is slow, frames are dropped rather than pixels.
    if (track.kind === "video") track.contentHint = "detail";
    const settings = this.#settings[track.kind];
    const own = {
      label: { value: device.label },
      getSettings: { value: () => settings() },
      getCapabilities: { value: () => ({ deviceId: device.deviceId, groupId: GROUP }) },
      applyConstraints: { value: async () => {} },
    };
    for (const each of Object.values(own)) Object.assign(each, { configurable: true, enumerable: false });
    return Object.defineProperties(track, own);
  }

  #listed(found) {
    const { MediaDeviceInfo } = this.#window;
    const make = (device) => {
      const values = Object.entries({ ...device, toJSON: () => ({ ...device }) });
      return Object.create(MediaDeviceInfo.prototype, Object.fromEntries(values.map(([name, value]) => [name, { value, enumerable: true }])));
    };
    const inputs = [...(this.#speech ? [MICROPHONE] : []), ...(this.#picture ? [CAMERA] : [])].map(make);
    const outputs = found.filter(({ kind }) => kind === "audiooutput");
    const loudspeaker = { kind: "audiooutput", deviceId: "default", label: "Bot loudspeaker", groupId: GROUP };
    return [...inputs, ...(outputs.length ? outputs : [make(loudspeaker)])];
  }
}

/** Replaces a method; `made` has it under its own name. */
function replace(target, name, made) {
  Object.defineProperty(target, name, { value: made[name], configurable: true, enumerable: true, writable: true });
}
