// The first layout: tiles in a grid, a tool bar below, panels beside, captions over the tiles.

import { colour, icon, initial, maker, named } from "./elements.js";

const CHAT_LINES = 500;

export class FirstLayout {
  #make;
  #texts;
  #page;
  #root;
  #audioElements;
  #tiles = new Map();
  #blocks = new Map();
  #people = [];
  #parts = {};
  #self = null;

  constructor({ names, texts, audio_elements: audioElements }, page) {
    this.#make = maker(names);
    this.#texts = texts;
    this.#page = page;
    this.#audioElements = audioElements;
    this.#root = this.#make("div", { classes: "root" });
    document.body.append(this.#root);
  }

  /** The page before the call: a name and a join button. */
  door({ button, account }) {
    const make = this.#make;
    const texts = this.#texts;
    const field = make("input", { classes: "field", type: "text", "aria-label": texts.your_name, placeholder: texts.your_name, maxlength: 60, autocomplete: "name" });
    const join = make("button", { classes: "main-button", type: "submit", disabled: !account }, make("span", { text: texts[button] }));
    field.addEventListener("input", () => { join.disabled = !field.value.trim(); });
    const submit = (event) => {
      event.preventDefault();
      this.#page.join(account ?? field.value);
    };
    this.#root.replaceChildren(make("main", { classes: "door" },
      make("div", { classes: "preview" }, this.#toolButton("microphone", texts.microphone_off), this.#toolButton("camera", texts.camera_off)),
      make("form", { classes: "entry", on: { submit } },
        make("h1", { text: texts.ready }),
        account ? make("p", { text: account }) : make("div", { classes: "field-frame" }, field),
        join)));
  }

  /** Asks a question; returns whether it was accepted. */
  dialog(kind) {
    const make = this.#make;
    const texts = this.#texts;
    const [question, yes, no] = {
      cookies: [texts.cookies, texts.accept_all, texts.reject_all],
      devices: [texts.devices, texts.devices_on, texts.devices_off],
      recording: [texts.recording_consent, texts.recording_agree, texts.recording_leave],
    }[kind];
    return new Promise((resolve) => {
      const answer = (isGiven) => {
        frame.remove();
        resolve(isGiven);
      };
      const frame = make("div", { classes: "veil" },
        make("div", { classes: "dialog", role: "dialog", "aria-modal": "true", "aria-label": question },
          make("p", { text: question }),
          make("div", { classes: "row" },
            make("button", { classes: "plain-button", type: "button", text: no, on: { click: () => answer(false) } }),
            make("button", { classes: "main-button", type: "button", text: yes, on: { click: () => answer(true) } }))));
      document.body.append(frame);
    });
  }

  /** Waiting: it has the tool bar of the call. */
  lobby() {
    const make = this.#make;
    this.#root.replaceChildren(make("main", { classes: "lobby" },
      make("div", { classes: "waiting" }, make("div", { classes: "spinner" }), make("h1", { text: this.#texts.asking }), make("p", { text: this.#texts.wait_here }))),
      this.#toolBar());
  }

  /** The call. */
  call(languages, language) {
    const make = this.#make;
    const texts = this.#texts;
    this.#tiles.clear();
    this.#blocks.clear();
    const choose = ({ target }) => this.#page.chooseCaptionsLanguage(target.value);
    this.#parts = {
      notice: make("div", { classes: "notice", role: "alert" }),
      recording: make("div", { classes: "recording", role: "status" }),
      tiles: make("div", { classes: "tiles" }),
      captions: make("div", { classes: "captions", role: "region", "aria-label": texts.captions, tabindex: 0, hidden: true },
        make("label", { classes: "captions-language" }, make("span", { text: texts.captions_language }),
          make("select", { on: { change: choose } },
            ...Object.entries(languages).map(([code, name]) => make("option", { value: code, text: name, selected: language.startsWith(code) }))))),
      side: make("aside", { classes: "side", hidden: true }),
      sounds: make("div", { classes: "sounds" }),
      people: make("div", { role: "list", "aria-label": texts.people, classes: "people" }),
      lines: make("div", { classes: "lines", "aria-live": "polite" }),
    };
    const { notice, recording, tiles, captions, side, sounds } = this.#parts;
    this.#root.replaceChildren(notice, recording, make("main", { classes: "stage" }, tiles, side), captions, this.#toolBar(), sounds);
  }

  /** One of the ends, or why there is no door. */
  final(view) {
    const make = this.#make;
    const texts = this.#texts;
    const buttons = {
      left: [texts.rejoin, () => this.#page.rejoin()],
      login_wall: [texts.sign_in, () => this.#page.signIn()],
    }[view];
    this.#root.replaceChildren(make("main", { classes: "final" },
      make("h1", { text: texts[view] }),
      ...(view === "denied" ? [make("p", { text: texts.denied_why })] : []),
      ...(buttons ? [make("button", { classes: "main-button", type: "button", text: buttons[0], on: { click: buttons[1] } })] : [])));
  }

  /** A captcha that cannot be passed. */
  robot() {
    const make = this.#make;
    const texts = this.#texts;
    this.#root.replaceChildren(make("main", { classes: "final" },
      make("h1", { text: texts.robot }),
      make("iframe", { classes: "captcha", src: "/captcha", title: "captcha" }),
      make("label", {}, make("input", { type: "checkbox", on: { click: (event) => event.preventDefault() } }), texts.robot_check)));
  }

  /** A captcha's frame that means nothing. */
  captchaFrame() {
    document.body.append(this.#make("iframe", { classes: "hidden-frame", src: "/captcha", title: "captcha", "aria-hidden": "true", tabindex: -1 }));
  }

  /** Adds a frame that is not seen. */
  frame(frame) {
    frame.className = this.#make("i", { classes: "hidden-frame" }).className;
    document.body.append(frame);
  }

  roster(you, people) {
    const { tiles, people: list } = this.#parts;
    this.#people = people;
    for (const [id, tile] of this.#tiles) {
      if (people.some((person) => person.id === id)) continue;
      tile.frame.remove();
      this.#tiles.delete(id);
    }
    for (const person of people) {
      if (!this.#tiles.has(person.id)) {
        const tile = this.#tile(person, person.id === you);
        this.#tiles.set(person.id, tile);
        tiles.append(tile.frame);
      }
    }
    list.replaceChildren(...people.map((person) => this.#make("div", { role: "listitem", "aria-label": person.name, "data-participant-id": person.id, classes: "person" },
      this.#make("span", { classes: "avatar", text: initial(person.name) }),
      this.#make("span", { text: person.id === you ? `${person.name} (${this.#texts.you})` : person.name }))));
    this.#showSelf(you);
  }

  mark(id, isOn) {
    const mark = this.#tiles.get(id)?.mark;
    if (mark) mark.hidden = !isOn;
  }

  captionsOn(isOn) {
    this.#parts.captions.hidden = !isOn;
    if (!isOn) for (const block of [...this.#blocks.keys()]) this.captionRemoved(block);
    const button = this.#root.querySelector("[data-tool=captions]");
    button.setAttribute("aria-label", isOn ? this.#texts.captions_off : this.#texts.captions_on);
    button.setAttribute("aria-pressed", String(isOn));
  }

  caption({ block, id, name, text }) {
    const make = this.#make;
    if (!this.#blocks.has(block)) {
      const words = make("div", { classes: "caption-text", dir: "auto" });
      const frame = make("div", { classes: "caption" },
        make("div", { classes: "caption-who" }, make("span", { classes: "avatar", text: initial(name) }), make("span", { classes: "caption-name", text: name })),
        words);
      frame.querySelector("span").style.backgroundColor = colour(id);
      this.#parts.captions.append(frame);
      this.#blocks.set(block, { frame, words });
    }
    this.#blocks.get(block).words.textContent = text;
    this.#showNewest();
  }

  #showNewest() {
    const { captions } = this.#parts;
    captions.scrollTop = captions.scrollHeight;
  }

  captionRemoved(block) {
    this.#blocks.get(block)?.frame.remove();
    this.#blocks.delete(block);
  }

  /** A text of the interface: it stands where captions do. */
  interfaceText(text, seconds) {
    const frame = this.#make("div", { classes: "caption" }, this.#make("div", { classes: "caption-text", text }));
    this.#parts.captions.append(frame);
    this.#showNewest();
    setTimeout(() => frame.remove(), seconds * 1000);
  }

  chat(name, text, isOwn) {
    const make = this.#make;
    const { lines } = this.#parts;
    lines.append(make("div", { classes: "line", "data-message-id": crypto.randomUUID() },
      make("div", { classes: "line-who", text: isOwn ? this.#texts.you : name }), make("div", { classes: "line-text", dir: "auto", text })));
    if (lines.childElementCount > CHAT_LINES) lines.firstElementChild.remove();
  }

  presenting(id, name) {
    this.#parts.shared?.remove();
    this.#parts.shared = id ? this.#make("div", { classes: "tile shared", text: named(this.#texts.presenting, name) }) : null;
    if (id) this.#parts.tiles.prepend(this.#parts.shared);
  }

  recording(state) {
    this.#parts.recording.textContent = { asked: this.#texts.recording_asked, allowed: this.#texts.recording_on, refused: this.#texts.recording_refused }[state];
  }

  network(isUp) {
    this.#parts.notice.textContent = isUp ? "" : this.#texts.network_lost;
    if (isUp) return;
    for (const { mark, frame, isYou } of this.#tiles.values()) {
      mark.hidden = true;
      if (!isYou) frame.querySelector("video")?.remove();
    }
    this.#parts.sounds.replaceChildren();
  }

  /** Plays a remote track: audio anonymously, whether or not the element is in the document. */
  track(track, stream, who) {
    if (track.kind === "video") {
      this.#showVideo(track, who);
      return;
    }
    const audio = document.createElement("audio");
    audio.autoplay = true;
    audio.srcObject = stream;
    if (this.#audioElements) this.#parts.sounds.append(audio);
    const end = () => audio.remove();
    track.addEventListener("ended", end);
    stream.addEventListener("removetrack", end);
  }

  devices(devices, stream) {
    this.#self = devices.camera ? stream : null;
    for (const device of ["microphone", "camera"]) {
      const button = this.#root.querySelector(`[data-tool=${device}]`);
      button?.setAttribute("aria-label", this.#texts[devices[device] ? `${device}_off` : `${device}_on`]);
      button?.setAttribute("data-is-muted", String(!devices[device]));
    }
  }

  #tile(person, isYou) {
    const make = this.#make;
    const mark = make("div", { classes: "speaking", role: "img", "aria-label": named(this.#texts.speaking, person.name), hidden: true }, make("i"), make("i"), make("i"));
    const face = make("span", { classes: "face", text: initial(person.name) });
    face.style.backgroundColor = colour(person.id);
    const frame = make("div", { classes: "tile", "data-participant-id": person.id, "data-requested-participant-id": person.id }, face,
      make("div", { classes: "tile-foot" }, make("span", { classes: "tile-name notranslate", text: isYou ? this.#texts.you : person.name }), mark));
    return { frame, mark, face, isYou };
  }

  #showSelf(you) {
    const tile = this.#tiles.get(you);
    if (!tile || !this.#self || tile.frame.querySelector("video")) return;
    const video = this.#make("video", { classes: "video", muted: true, autoplay: true, playsinline: true });
    video.muted = true;
    video.srcObject = this.#self;
    tile.frame.prepend(video);
  }

  /** Shows a camera: of the guest `who`, or of the next participant who has one. */
  #showVideo(track, who) {
    const guest = this.#people.find((person) => person.is_guest && person.id === who);
    const free = guest ?? this.#people.filter((person) => person.has_camera && !person.is_guest).find((person) => !this.#tiles.get(person.id)?.frame.querySelector("video"));
    if (!free) return;
    const video = this.#make("video", { classes: "video", muted: true, autoplay: true, playsinline: true });
    video.muted = true;
    video.srcObject = new MediaStream([track]);
    const { frame } = this.#tiles.get(free.id);
    frame.querySelector("video")?.remove();
    frame.prepend(video);
  }

  #toolButton(name, label, click = () => {}, more = {}) {
    return this.#make("button", { classes: `tool ${name === "leave" ? "tool-leave" : ""}`, type: "button", "aria-label": label, title: label, "data-tool": name, on: { click }, ...more }, icon(name));
  }

  #toolBar() {
    const texts = this.#texts;
    const page = this.#page;
    return this.#make("div", { classes: "bar", role: "toolbar", "aria-label": texts.tools },
      this.#toolButton("microphone", texts.microphone_on, () => page.toggle("microphone")),
      this.#toolButton("camera", texts.camera_on, () => page.toggle("camera")),
      this.#toolButton("captions", texts.captions_on, () => page.toggleCaptions(), { "aria-pressed": "false" }),
      this.#toolButton("present", texts.present),
      this.#toolButton("record", texts.record, () => page.record()),
      this.#toolButton("people", texts.people, () => this.#open("people")),
      this.#toolButton("chat", texts.chat, () => this.#open("chat")),
      this.#toolButton("leave", texts.leave, () => page.leave()));
  }

  /** Opens a panel beside the tiles, or closes it. */
  #open(panel) {
    const make = this.#make;
    const { side, people, lines } = this.#parts;
    if (!side) return;
    if (!side.hidden && side.dataset.panel === panel) {
      side.hidden = true;
      return;
    }
    side.hidden = false;
    side.dataset.panel = panel;
    const title = this.#texts[panel];
    side.setAttribute("aria-label", title);
    const close = make("button", { classes: "tool", type: "button", "aria-label": this.#texts.close, text: "×", on: { click: () => { side.hidden = true; } } });
    side.replaceChildren(make("div", { classes: "side-head" }, make("h2", { text: title }), close), panel === "people" ? people : lines);
    if (panel === "chat") side.append(this.#chatForm());
  }

  #chatForm() {
    const make = this.#make;
    const texts = this.#texts;
    const field = make("textarea", { classes: "field", "aria-label": texts.chat_field, placeholder: texts.chat_field, rows: 1, maxlength: 2000 });
    const send = make("button", { classes: "tool", type: "submit", "aria-label": texts.send, text: "➤", disabled: true });
    const form = make("form", { classes: "chat-form" }, field, send);
    field.addEventListener("input", () => { send.disabled = !field.value.trim(); });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (field.value.trim()) this.#page.sendChat(field.value.trim());
      field.value = "";
      send.disabled = true;
    });
    return form;
  }
}
