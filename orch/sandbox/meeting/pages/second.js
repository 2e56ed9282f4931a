// The second layout: one large stage with a film strip, a menu of words above, a drawer below. It has no class,
// structure, role or attribute in common with the first.

import { colour, maker, named } from "./elements.js";

const CHAT_LINES = 500;

export class SecondLayout {
  #make;
  #texts;
  #page;
  #conference;
  #audioElements;
  #spots = new Map();
  #guests = new Set();
  #subtitles = new Map();
  #parts = {};
  #self = null;

  constructor({ names, texts, audio_elements: audioElements, title = "" }, page) {
    this.#make = maker(names);
    this.#texts = texts;
    this.#page = page;
    this.#audioElements = audioElements;
    this.#conference = this.#make("section", { id: "conference", classes: "conference", "data-title": title });
    document.body.append(this.#conference);
  }

  /** The page before the call. */
  door({ button, account }) {
    const make = this.#make;
    const texts = this.#texts;
    const name = make("input", { id: "displayName", name: "displayName", classes: "name-entry", maxlength: 60, value: account ?? "" });
    const enter = make("a", { href: "#", classes: "enter", id: "enterButton", text: texts[button] });
    const go = (event) => {
      event.preventDefault();
      if (name.value.trim()) this.#page.join(name.value);
      else name.focus();
    };
    enter.addEventListener("click", go);
    name.addEventListener("keydown", (event) => { if (event.key === "Enter") go(event); });
    this.#conference.replaceChildren(make("article", { classes: "foyer" },
      make("p", { classes: "foyer-title", text: this.#conference.dataset.title }),
      make("label", { for: "displayName", text: texts.name_hint }), name, enter));
  }

  /** Asks a question in a strip at the foot of the page; returns whether it was accepted. */
  dialog(kind) {
    const make = this.#make;
    const texts = this.#texts;
    const [question, yes, no] = {
      cookies: [texts.cookies, texts.accept_all, texts.reject_all],
      devices: [texts.devices, texts.devices_on, texts.devices_off],
      recording: [texts.recording_consent, texts.recording_agree, texts.recording_leave],
    }[kind];
    return new Promise((resolve) => {
      const strip = make("footer", { classes: "strip", id: `${kind}-strip` });
      const choice = (text, isGiven) => make("a", { href: "#", classes: isGiven ? "choice choice-yes" : "choice", text, on: { click: (event) => {
        event.preventDefault();
        strip.remove();
        resolve(isGiven);
      } } });
      strip.append(make("em", { text: question }), choice(yes, true), choice(no, false));
      document.body.append(strip);
    });
  }

  /** Waiting: a modal window over the menu of the call. */
  lobby() {
    const make = this.#make;
    const wait = make("dialog", { classes: "knocking", open: true }, make("strong", { text: this.#texts.knocking }), make("small", { text: this.#texts.knocking_hint }));
    this.#conference.replaceChildren(this.#menu(), wait);
  }

  /** The call. */
  call(languages, language) {
    const make = this.#make;
    const texts = this.#texts;
    this.#spots.clear();
    this.#subtitles.clear();
    const choices = Object.entries(languages).map(([code, name]) => make("label", { classes: "language" },
      make("input", { type: "radio", name: "subtitle-language", value: code, checked: language.startsWith(code), on: { change: () => this.#page.chooseCaptionsLanguage(code) } }), name));
    const people = make("ol", { classes: "attendees", id: "attendees" });
    const talk = make("dl", { classes: "talk", id: "talk" });
    this.#parts = {
      people,
      talk,
      banner: make("output", { classes: "banner", id: "connectionBanner" }),
      state: make("output", { classes: "state", id: "recordingState" }),
      large: make("figure", { classes: "large", id: "largeSpeaker" }, make("figcaption")),
      strip: make("nav", { classes: "film", id: "film" }),
      subtitles: make("p", { classes: "subtitles", id: "subtitles", hidden: true }),
      languages: make("fieldset", { classes: "languages", hidden: true }, make("legend", { text: texts.subtitles_language }), ...choices),
    };
    const { banner, state, large, strip, subtitles } = this.#parts;
    this.#conference.replaceChildren(this.#menu(), banner, state, make("div", { classes: "theatre" }, large, strip), subtitles, this.#parts.languages,
      make("details", { classes: "drawer", id: "attendeeDrawer" }, make("summary", { text: texts.participants }), people),
      make("details", { classes: "drawer", id: "chatDrawer" }, make("summary", { text: texts.chat }), talk, this.#writing()));
  }

  final(view) {
    const make = this.#make;
    const texts = this.#texts;
    const link = {
      left: [texts.rejoin, () => this.#page.rejoin()],
      login_wall: [texts.sign_in, () => this.#page.signIn()],
    }[view];
    this.#conference.replaceChildren(make("article", { classes: "curtain", "data-why": view.replace("_", "-") },
      make("strong", { text: texts[view] }),
      ...(view === "denied" ? [make("small", { text: texts.denied_why })] : []),
      ...(link ? [make("a", { href: "#", classes: "enter", text: link[0], on: { click: (event) => {
        event.preventDefault();
        link[1]();
      } } })] : [])));
  }

  robot() {
    const make = this.#make;
    this.#conference.replaceChildren(make("article", { classes: "curtain" }, make("strong", { text: this.#texts.robot }),
      make("iframe", { classes: "check", src: "/captcha", name: "check" }),
      make("a", { href: "#", classes: "enter", text: this.#texts.robot_check, on: { click: (event) => event.preventDefault() } })));
  }

  captchaFrame() {
    document.body.append(this.#make("iframe", { classes: "unseen", src: "/captcha", name: "check", tabindex: -1 }));
  }

  frame(frame) {
    frame.className = this.#make("i", { classes: "unseen" }).className;
    document.body.append(frame);
  }

  roster(you, people) {
    const { strip, people: list } = this.#parts;
    for (const [id, spot] of this.#spots) {
      if (people.some((person) => person.id === id)) continue;
      spot.remove();
      this.#spots.delete(id);
      this.#guests.delete(id);
    }
    for (const person of people) {
      if (this.#spots.has(person.id)) continue;
      if (person.is_guest) this.#guests.add(person.id);
      const spot = this.#make("span", { classes: "spot", id: `participant_${person.id}`, "data-who": person.name, "data-self": String(person.id === you), "data-talking": "no" },
        this.#make("b", { text: person.id === you ? `${person.name} (${this.#texts.me})` : person.name }));
      spot.style.backgroundColor = colour(person.id);
      this.#spots.set(person.id, spot);
      strip.append(spot);
    }
    list.replaceChildren(...people.map((person) => this.#make("li", { value: people.indexOf(person) + 1, "data-key": person.id, text: person.name })));
    const self = this.#spots.get(you);
    if (self && this.#self && !self.querySelector("video")) self.prepend(this.#video(this.#self));
  }

  mark(id, isOn) {
    const spot = this.#spots.get(id);
    if (!spot) return;
    spot.dataset.talking = isOn ? "yes" : "no";
    if (isOn) this.#parts.large.querySelector("figcaption").textContent = spot.dataset.who;
  }

  captionsOn(isOn) {
    this.#parts.subtitles.hidden = this.#parts.languages.hidden = !isOn;
    if (!isOn) for (const block of [...this.#subtitles.keys()]) this.captionRemoved(block);
    this.#conference.querySelector("#menuSubtitles").textContent = isOn ? this.#texts.subtitles_stop : this.#texts.subtitles_start;
  }

  /** Subtitles are lines of one paragraph, each with the name before its words. */
  caption({ block, name, text }) {
    if (!this.#subtitles.has(block)) {
      const line = this.#make("q", { classes: "subtitle", "data-by": name }, this.#make("cite", { text: name }), this.#make("span"));
      this.#parts.subtitles.append(line);
      this.#subtitles.set(block, line);
    }
    this.#subtitles.get(block).lastElementChild.textContent = text;
  }

  captionRemoved(block) {
    this.#subtitles.get(block)?.remove();
    this.#subtitles.delete(block);
  }

  interfaceText(text, seconds) {
    const line = this.#make("q", { classes: "subtitle" }, this.#make("span", { text }));
    this.#parts.subtitles.append(line);
    setTimeout(() => line.remove(), seconds * 1000);
  }

  chat(name, text, isOwn) {
    const { talk } = this.#parts;
    talk.append(this.#make("dt", { text: isOwn ? this.#texts.me : name }), this.#make("dd", { text }));
    if (talk.childElementCount > 2 * CHAT_LINES) talk.firstElementChild.remove();
  }

  presenting(id, name) {
    this.#parts.screen?.remove();
    this.#parts.screen = id ? this.#make("mark", { classes: "screen", id: "sharedScreen", text: named(this.#texts.presenting, name) }) : null;
    if (id) this.#parts.large.append(this.#parts.screen);
  }

  recording(state) {
    this.#parts.state.textContent = { asked: this.#texts.recording_asked, allowed: this.#texts.recording_on, refused: this.#texts.recording_refused }[state];
  }

  network(isUp) {
    this.#parts.banner.textContent = isUp ? "" : this.#texts.network_lost;
    if (isUp) return;
    for (const spot of this.#spots.values()) {
      spot.dataset.talking = "no";
      if (spot.dataset.self === "false") spot.querySelector("video")?.remove();
    }
    for (const sound of this.#conference.querySelectorAll("audio")) sound.remove();
  }

  /** Plays a remote track; a person's own stands in the person's spot. */
  track(track, stream, who) {
    const spot = this.#spots.get(who);
    if (track.kind === "video") {
      const isFree = ([id, each]) => !this.#guests.has(id) && !each.querySelector("video");
      const [, free] = this.#guests.has(who) ? [who, spot] : ([...this.#spots].find(isFree) ?? []);
      free?.querySelector("video")?.remove();
      free?.prepend(this.#video(stream));
      return;
    }
    const sound = document.createElement("audio");
    sound.autoplay = true;
    sound.srcObject = stream;
    if (this.#audioElements) (spot ?? this.#parts.large).append(sound);
    const end = () => sound.remove();
    track.addEventListener("ended", end);
    stream.addEventListener("removetrack", end);
  }

  devices(devices, stream) {
    this.#self = devices.camera ? stream : null;
    const texts = this.#texts;
    const mute = this.#conference.querySelector("#menuMute");
    const video = this.#conference.querySelector("#menuVideo");
    if (mute) mute.textContent = devices.microphone ? texts.mute : texts.unmute;
    if (video) video.textContent = devices.camera ? texts.stop_video : texts.start_video;
  }

  #video(stream) {
    const video = this.#make("video", { classes: "moving", muted: true, autoplay: true, playsinline: true });
    video.muted = true;
    video.srcObject = stream;
    return video;
  }

  #menu() {
    const make = this.#make;
    const texts = this.#texts;
    const page = this.#page;
    const item = (id, text, click = () => {}) => make("li", {}, make("a", { href: "#", id, classes: "item", text, on: { click: (event) => {
      event.preventDefault();
      click();
    } } }));
    const open = (id) => () => {
      const drawer = this.#conference.querySelector(`#${id}`);
      if (drawer) drawer.open = !drawer.open;
    };
    return make("menu", { classes: "menu", id: "conferenceMenu" },
      item("menuMute", texts.unmute, () => page.toggle("microphone")),
      item("menuVideo", texts.start_video, () => page.toggle("camera")),
      item("menuSubtitles", texts.subtitles_start, () => page.toggleCaptions()),
      item("menuShare", texts.share),
      item("menuRecord", texts.record, () => page.record()),
      item("menuAttendees", texts.participants, open("attendeeDrawer")),
      item("menuChat", texts.chat, open("chatDrawer")),
      item("menuHangUp", texts.hang_up, () => page.leave()));
  }

  #writing() {
    const make = this.#make;
    const texts = this.#texts;
    const words = make("div", { classes: "words", id: "chatWords", contenteditable: "plaintext-only", "data-hint": texts.chat_field });
    const post = make("a", { href: "#", classes: "choice", id: "chatPost", text: texts.send });
    const send = (event) => {
      event.preventDefault();
      const text = words.textContent.trim().slice(0, 2000);
      if (text) this.#page.sendChat(text);
      words.textContent = "";
    };
    post.addEventListener("click", send);
    words.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey) send(event); });
    return make("blockquote", { classes: "writing" }, words, post);
  }
}
