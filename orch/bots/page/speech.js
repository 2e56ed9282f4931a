// The bot's microphone: what the service says, and silence.

export class Speech {
  #node;

  constructor({ window, context, onPlayed }) {
    this.#node = new window.AudioWorkletNode(context, "orch-speech", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }) => onPlayed(data);
    const destination = new window.MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    this.#node.connect(destination);
    this.source = destination.stream.getAudioTracks()[0];
  }

  add(number, samples) {
    this.#node.port.postMessage({ number, samples });
  }

  hush(number) {
    this.#node.port.postMessage({ number });
  }
}
