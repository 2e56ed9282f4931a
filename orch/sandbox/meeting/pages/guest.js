// The guest's page: what a participant sees from the door to the end of a meeting.

import { FirstLayout } from "./first.js";
import { Near } from "./near.js";
import { SecondLayout } from "./second.js";

const LAYOUTS = { first: FirstLayout, second: SecondLayout };
// Milliseconds from the loss of the network to giving up, if it does not return.
const GIVES_UP = 4000;

/** Shows a page that has nothing of what it had: what a redesign is to those who know the old one. */
function showChanged() {
  const board = document.createElement("table");
  for (let row = 0; row < 3; row += 1) {
    const cells = board.insertRow();
    for (let column = 0; column < 3; column += 1) cells.insertCell().textContent = "◆";
  }
  document.body.replaceChildren(board);
}

class GuestPage {
  #code;
  #query;
  #config;
  #layout;
  #socket;
  #near;
  #key = "";
  #far = null;
  #devices = { microphone: false, camera: false };
  #stream = null;
  #captions = { isOn: false, language: "" };
  #view = "door";

  constructor(code, query, config) {
    this.#code = code;
    this.#query = query;
    this.#config = config;
    this.#layout = new LAYOUTS[config.layout](config, this);
  }

  /** Shows the door, or why there is none. */
  async start() {
    const config = this.#config;
    document.documentElement.lang = config.texts.language;
    document.documentElement.dir = config.texts.direction;
    if (!config.is_known) {
      this.#layout.final("no_meeting");
      return;
    }
    this.#captions.language = config.speech_language;
    if (config.captcha === "harmless") this.#layout.captchaFrame();
    this.#connect();
    if (config.changed === "door") showChanged();
    else if (config.is_blocked) this.#layout.final("blocked");
    else if (config.is_refused) this.#layout.final("login_wall");
    else if (config.captcha === "blocking") this.#layout.robot();
    else await this.#door();
  }

  async #door() {
    const { consents } = this.#config;
    if (consents.includes("cookies")) this.#consent("cookies", await this.#layout.dialog("cookies"));
    if (consents.includes("devices")) {
      const isGiven = await this.#layout.dialog("devices");
      this.#consent("devices", isGiven);
      if (isGiven) await this.#open({ microphone: true, camera: true });
    } else {
      await this.#open({ microphone: true, camera: true });
    }
    this.#showDoor();
  }

  #showDoor() {
    if (this.#view !== "door") return; // the meeting has ended while a dialog was open
    this.#layout.door({ button: this.#config.button, account: this.#config.account });
  }

  #connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.#socket = new WebSocket(`${scheme}//${location.host}/${this.#code}/near`);
    this.#socket.addEventListener("message", (event) => this.#receive(JSON.parse(event.data)));
    this.#socket.addEventListener("close", () => {
      if (["call", "lobby"].includes(this.#view)) this.#show("disconnected");
    });
    this.#near = new Near({
      send: (data) => this.#send({ type: "signal", data }),
      sendPeer: (to, data) => this.#send({ type: "signal", to, data }),
      onTrack: (track, stream, who) => this.#layout.track(track, stream, who),
    });
  }

  /** Sends a message, once the socket is open; nothing if it is closed. */
  #send(message) {
    const socket = this.#socket;
    const send = () => socket.send(JSON.stringify(message));
    if (socket.readyState === WebSocket.OPEN) send();
    else if (socket.readyState === WebSocket.CONNECTING) socket.addEventListener("open", send, { once: true });
  }

  /** Connects with the other guests of the roster. */
  #meet({ you, people }) {
    if (!this.#config.has_sound) return;
    const others = people.filter(({ id, is_guest: isGuest }) => isGuest && id !== you);
    this.#near.meet(others.map(({ id }) => id), this.#stream);
  }

  #consent(consent, isGiven) {
    this.#send({ type: "consent", consent, is_given: isGiven });
  }

  #receive(message) {
    const layout = this.#layout;
    switch (message.type) {
      case "hello":
        this.#key = message.key;
        break;
      case "view":
        this.#show(message.view);
        break;
      case "roster":
        layout.roster(message.you, message.people);
        this.#meet(message);
        break;
      case "mark":
        layout.mark(message.id, message.is_on);
        break;
      case "captions":
        this.#captions.isOn = message.is_on;
        layout.captionsOn(message.is_on);
        break;
      case "caption":
        layout.caption(message);
        break;
      case "caption_removed":
        layout.captionRemoved(message.block);
        break;
      case "interface":
        layout.interfaceText(message.text, message.seconds);
        break;
      case "chat":
        layout.chat(message.name, message.text, message.is_own);
        break;
      case "presenting":
        layout.presenting(message.id, message.name);
        break;
      case "recording":
        layout.recording(message.state, message.by);
        break;
      case "network":
        this.#network(message);
        break;
      case "far_ready":
        this.#near.publish(this.#stream);
        break;
      case "signal":
        this.#near.receive(message.data);
        break;
      case "peer":
        this.#near.receivePeer(message.from, message.data);
        break;
    }
  }

  #show(view) {
    this.#view = view;
    if (view === "lobby") {
      this.#layout.lobby();
    } else if (view === "call") {
      void this.#enterCall();
    } else if (view !== "door") {
      this.#stopMedia();
      this.#layout.final(view);
    }
  }

  async #enterCall() {
    if (this.#config.changed === "call") {
      this.#layout.call(this.#config.languages, this.#captions.language);
      showChanged();
      return;
    }
    this.#layout.call(this.#config.languages, this.#captions.language);
    this.#layout.devices(this.#devices, this.#stream);
    if (this.#config.captcha === "harmless") this.#layout.captchaFrame();
    if (this.#query.get("far") !== "separate") this.#openFar();
    this.#send({ type: "devices", ...this.#devices });
    if (!this.#config.consents.includes("recording")) return;
    const isGiven = await this.#layout.dialog("recording");
    this.#consent("recording", isGiven);
    if (!isGiven) this.leave();
  }

  /** Opens the other ends of the guest's audio and video: a page of another site, in a hidden frame. */
  #openFar() {
    this.#far?.remove();
    this.#far = document.createElement("iframe");
    this.#far.allow = "autoplay";
    this.#far.width = this.#far.height = "1";
    this.#far.tabIndex = -1;
    this.#far.ariaHidden = "true";
    this.#far.src = `${this.#config.far}?guest=${this.#key}`;
    this.#layout.frame(this.#far);
  }

  #network({ is_up: isUp, is_final: isFinal }) {
    this.#layout.network(isUp);
    if (isUp) return;
    this.#near.close();
    if (isFinal) setTimeout(() => this.#socket.close(), GIVES_UP);
  }

  #stopMedia() {
    this.#near.close();
    this.#far?.remove();
    this.#far = null;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#devices = { microphone: false, camera: false };
  }

  /** Opens the devices that there are; a guest without any takes part without. */
  async #open({ microphone, camera }) {
    const wanted = [{ audio: microphone, video: camera }, { audio: false, video: camera }, { audio: microphone, video: false }];
    for (const constraints of wanted.filter(({ audio, video }) => audio || video)) {
      try {
        this.#stream = await navigator.mediaDevices.getUserMedia(constraints);
        this.#devices = { microphone: constraints.audio, camera: constraints.video };
        return;
      } catch (error) {
        console.info(`No device: ${error.name}`);
      }
    }
  }

  // What the layouts call.

  /** Asks to join under a name. */
  join(name) {
    this.#send({ type: "enter", name });
  }

  /** Shows the door again. */
  async rejoin() {
    location.reload();
  }

  leave() {
    this.#send({ type: "leave" });
  }

  sendChat(text) {
    this.#send({ type: "chat", text });
  }

  record() {
    this.#send({ type: "record" });
  }

  toggleCaptions() {
    this.#send({ type: "captions", is_on: !this.#captions.isOn, language: this.#captions.language });
  }

  chooseCaptionsLanguage(language) {
    this.#captions.language = language;
    this.#send({ type: "captions", is_on: this.#captions.isOn, language });
  }

  /** Switches the microphone or the camera; its track goes on, disabled. */
  toggle(device) {
    const tracks = device === "camera" ? this.#stream?.getVideoTracks() : this.#stream?.getAudioTracks();
    if (!tracks?.length) return;
    this.#devices[device] = !this.#devices[device];
    for (const track of tracks) track.enabled = this.#devices[device];
    this.#layout.devices(this.#devices, this.#stream);
    this.#send({ type: "devices", ...this.#devices });
  }

  signIn() {
    location.assign(`/sign-in?meeting=${this.#code}`);
  }
}

const code = location.pathname.split("/")[1];
const query = new URLSearchParams(location.search);
const response = await fetch(`/${code}/config?hl=${encodeURIComponent(query.get("hl") ?? "")}`);
await new GuestPage(code, query, await response.json()).start();
