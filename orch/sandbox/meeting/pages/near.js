// The guest's ends of its connections: what it receives ("down"), and what it sends ("up").

export class Near {
  #send;
  #onTrack;
  #down = null;
  #up = null;
  #owners = {};
  #work = Promise.resolve();

  /** send: passes a signal to the far page. onTrack: called with each remote track, stream and owner. */
  constructor({ send, onTrack }) {
    this.#send = send;
    this.#onTrack = onTrack;
  }

  /** Sends the guest's microphone and camera; `stream` null for neither. */
  publish(stream) {
    this.#up?.close();
    this.#up = null;
    if (!stream) return;
    const up = this.#connection("up");
    this.#up = up;
    for (const track of stream.getTracks()) up.addTrack(track, stream);
    this.#next(async () => {
      await up.setLocalDescription();
      this.#send({ pc: "up", description: up.localDescription });
    });
  }

  /** Applies a signal of the far page. */
  receive(signal) {
    this.#next(() => (signal.pc === "down" ? this.#receiveDown(signal) : this.#receiveUp(signal)));
  }

  close() {
    this.#down?.close();
    this.#up?.close();
    this.#down = this.#up = null;
  }

  async #receiveDown({ description, candidate, owners, isNew }) {
    if (isNew || this.#down === null) {
      this.#down?.close();
      this.#down = this.#connection("down");
    }
    const down = this.#down;
    if (candidate) {
      await down.addIceCandidate(candidate);
      return;
    }
    this.#owners = owners;
    await down.setRemoteDescription(description);
    await down.setLocalDescription();
    this.#send({ pc: "down", description: down.localDescription });
  }

  async #receiveUp({ description, candidate }) {
    if (!this.#up) return;
    if (candidate) await this.#up.addIceCandidate(candidate);
    else await this.#up.setRemoteDescription(description);
  }

  #connection(pc) {
    const made = new RTCPeerConnection();
    made.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate) this.#send({ pc, candidate });
    });
    made.addEventListener("track", ({ track, streams, transceiver }) => {
      this.#onTrack(track, streams[0] ?? new MediaStream([track]), this.#owners[transceiver.mid] ?? null);
    });
    // Captions arrive on the connection's data channel; the page shows those of its own socket.
    made.addEventListener("datachannel", ({ channel }) => channel.addEventListener("message", () => {}));
    return made;
  }

  /** Does one thing after the other; a connection that was closed meanwhile needs it no more. */
  #next(work) {
    this.#work = this.#work.then(work).catch((error) => {
      if (error.name !== "InvalidStateError") throw error;
    });
  }
}
