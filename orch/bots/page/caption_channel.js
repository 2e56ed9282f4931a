// Sends the captions of a meeting's data channel. It runs in the page's world, before the page's own scripts,
// and takes its binding away from the page, which could otherwise send captions of its own.
(binding) => {
  "use strict";
  const send = globalThis[binding];
  delete globalThis[binding];
  if (window !== window.top || typeof RTCPeerConnection !== "function" || typeof send !== "function") return;
  const LONGEST = 32 * 1024;
  const MOST_A_SECOND = 100;
  const LABEL = "captions";
  const encode = JSON.stringify;
  let second = 0;
  let count = 0;

  /** Sends a message: text as it is, bytes as Base64; more than so many a second are only counted. */
  const pass = (data) => {
    const now = Math.floor(performance.now() / 1000);
    if (now !== second) {
      if (count > MOST_A_SECOND) send(encode({ lost: count - MOST_A_SECOND }));
      second = now;
      count = 0;
    }
    count += 1;
    if (count > MOST_A_SECOND) return;
    if (typeof data === "string") {
      if (data.length <= LONGEST) send(encode({ text: data.toWellFormed() }));
    } else if (data instanceof ArrayBuffer && data.byteLength <= LONGEST) {
      let text = "";
      for (const byte of new Uint8Array(data)) text += String.fromCharCode(byte);
      send(encode({ bytes: btoa(text) }));
    } else if (data instanceof Blob && data.size <= LONGEST) {
      void data.arrayBuffer().then(pass);
    }
  };
  const listen = (channel) => {
    if (channel.label === LABEL) channel.addEventListener("message", ({ data }) => pass(data));
    return channel;
  };

  const { createDataChannel } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.createDataChannel = new Proxy(createDataChannel, {
    apply: (target, self, given) => listen(Reflect.apply(target, self, given)),
  });
  globalThis.RTCPeerConnection = new Proxy(RTCPeerConnection, {
    construct(target, given, made) {
      const connection = Reflect.construct(target, given, made);
      connection.addEventListener("datachannel", ({ channel }) => listen(channel));
      return connection;
    },
  });
}
