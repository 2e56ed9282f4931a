// The guest's ends of its connections: what it receives ("down"), what it sends ("up"), and one in each
// direction for every other guest, whose pages connect with each other directly.

export class Near {
  #send;
  #sendPeer;
  #onTrack;
  #toGuests = new Map();
  #fromGuests = new Map();
  #down = null;
  #up = null;
  #owners = {};
  #work = Promise.resolve();

  /**
   * send: passes a signal to the far page; sendPeer: to another guest's page. onTrack: called with each remote
   * track, stream and owner.
   */
  constructor({ send, sendPeer, onTrack }) {
    this.#send = send;
    this.#sendPeer = sendPeer;
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

  /** Sends `stream`, if there is one, to these guests (their keys), and forgets all others. */
  meet(guests, stream) {
    for (const connections of [this.#toGuests, this.#fromGuests]) {
      for (const [key, connection] of connections) {
        if (guests.includes(key)) continue;
        connection.close();
        connections.delete(key);
      }
    }
    if (!stream) return;
    for (const key of guests) {
      if (this.#toGuests.has(key)) continue;
      const made = this.#peer(key, "to");
      this.#toGuests.set(key, made);
      for (const track of stream.getTracks()) made.addTrack(track, stream);
      this.#next(async () => {
        await made.setLocalDescription();
        this.#sendPeer(key, { way: "to", description: made.localDescription });
      });
    }
  }

  /** Applies a signal of another guest: of what it sends ("to"), or of what it receives from here ("from"). */
  receivePeer(key, { way, description, candidate }) {
    this.#next(async () => {
      if (way === "to" && description) {
        this.#fromGuests.get(key)?.close();
        this.#fromGuests.set(key, this.#peer(key, "from"));
      }
      const connection = (way === "to" ? this.#fromGuests : this.#toGuests).get(key);
      if (!connection) return;
      if (candidate) {
        await connection.addIceCandidate(candidate);
        return;
      }
      await connection.setRemoteDescription(description);
      if (way === "from") return;
      await connection.setLocalDescription();
      this.#sendPeer(key, { way: "from", description: connection.localDescription });
    });
  }

  #peer(key, way) {
    const made = new RTCPeerConnection();
    made.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate) this.#sendPeer(key, { way, candidate });
    });
    made.addEventListener("track", ({ track, streams }) => {
      this.#onTrack(track, streams[0] ?? new MediaStream([track]), key);
    });
    return made;
  }

  /** Applies a signal of the far page. */
  receive(signal) {
    this.#next(() => (signal.pc === "down" ? this.#receiveDown(signal) : this.#receiveUp(signal)));
  }

  close() {
    this.#down?.close();
    this.#up?.close();
    this.#down = this.#up = null;
    this.meet([], null);
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
