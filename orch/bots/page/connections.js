// Finds the others' sound: in the connections of the page, and where those were missed, in what it plays.

// Milliseconds between looks at what the page plays and at tracks that ended silently.
const LOOKING = 1000;

export class Connections {
  #window;
  #onTrack;
  #onLook;
  #isOwn;
  #receivesVideo;
  #hasEvents = false;

  /** onTrack: called with each remote track of sound, maybe several times. onLook: called now and then.
   * isOwn: whether a track is the bot's. receivesVideo: whether the others' video is received. */
  constructor({ window, onTrack, onLook, isOwn, receivesVideo }) {
    this.#window = window;
    this.#onTrack = onTrack;
    this.#onLook = onLook;
    this.#isOwn = isOwn;
    this.#receivesVideo = receivesVideo;
  }

  install() {
    this.#attendConnections(this.#window);
    this.#attendElements(this.#window);
    this.#window.setInterval(() => {
      if (!this.#hasEvents) for (const element of this.#window.document.querySelectorAll("audio, video")) this.#see(element.srcObject);
      this.#onLook();
    }, LOOKING);
  }

  #attendConnections(window) {
    const Original = window.RTCPeerConnection;
    if (!Original) return;
    const attend = (connection) => {
      connection.addEventListener("track", ({ track, transceiver }) => {
        if (track.kind === "audio") {
          this.#hasEvents = true;
          this.#onTrack(track, true);
        } else if (!this.#receivesVideo && connection.signalingState === "have-remote-offer") {
          refuse(transceiver);
        }
      });
    };
    const Attended = new Proxy(Original, {
      construct(target, given, made) {
        const connection = Reflect.construct(target, given, made);
        attend(connection);
        return connection;
      },
    });
    Object.defineProperty(Original.prototype, "constructor", { value: Attended, configurable: true, writable: true });
    for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection"]) {
      if (window[name] === Original) Object.defineProperty(window, name, { value: Attended, configurable: true, writable: true });
    }
  }

  /** Sees streams that elements are given, also of elements that are in no document. */
  #attendElements(window) {
    const { prototype } = window.HTMLMediaElement;
    const { get, set, ...rest } = Object.getOwnPropertyDescriptor(prototype, "srcObject");
    const see = (stream) => {
      if (!this.#hasEvents) window.setTimeout(() => this.#see(stream), LOOKING);
    };
    const attended = {
      set srcObject(stream) {
        set.call(this, stream);
        see(stream);
      },
    };
    Object.defineProperty(prototype, "srcObject", { ...rest, get, set: Object.getOwnPropertyDescriptor(attended, "srcObject").set });
  }

  #see(stream) {
    if (this.#hasEvents || !(stream instanceof this.#window.MediaStream)) return;
    for (const track of stream.getAudioTracks()) if (!this.#isOwn(track)) this.#onTrack(track, false);
  }
}

/** Asks not to be sent a video that nobody sees. While the other side's offer waits for an answer, the
 * answer says so; otherwise the page would have to offer, and what it does then is not known. */
function refuse(transceiver) {
  if (transceiver.stopped || !["sendrecv", "recvonly"].includes(transceiver.direction)) return;
  transceiver.direction = transceiver.direction === "sendrecv" ? "sendonly" : "inactive";
}
