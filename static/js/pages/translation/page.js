/** The Translation page: speech in, captions and translations out, for everyone in the session. */

import { showBanners } from "../../components/banners.js";
import { confirm } from "../../components/confirm-dialog.js";
import { Disclosure } from "../../components/disclosure.js";
import { byId, setAttribute, setText } from "../../components/dom.js";
import { Notices } from "../../components/notices.js";
import { Preferences } from "../../components/preferences.js";
import { Scope } from "../../components/scope.js";
import { toast } from "../../components/toasts.js";
import { LanguageChoice } from "../../components/translation/language-choice.js";
import { LargeType } from "../../components/translation/large-type.js";
import { People } from "../../components/translation/people.js";
import { MicrophoneControls } from "../../components/translation/microphone-controls.js";
import { Recordings } from "../../components/translation/recordings.js";
import { Shortcuts } from "../../components/translation/shortcuts.js";
import { Transcript } from "../../components/translation/transcript.js";
import { CaptionDelay, OwnDelays } from "../../models/caption-delay.js";
import { Captions } from "../../models/captions.js";
import { problems } from "../../models/overview.js";
import { OwnSessions } from "../../models/own-sessions.js";
import { reasonText } from "../../models/reason-text.js";
import { languagesDependOn } from "../../models/service-notices.js";
import { tabStorage } from "../../models/session-memory.js";
import { TabSession } from "../../models/tab-session.js";
import { nothingYet } from "../../models/translation-text.js";
import { browserStorage } from "../../models/upload-memory.js";
import { SessionClient } from "../../session-client.js";
import { Shell } from "../../shell.js";
import { CaptionViewCard } from "./caption-view-card.js";
import { ExportCard } from "./export-card.js";
import { HostNotices, shutOutNotice } from "./host-notices.js";
import { JoinCard } from "./join-card.js";
import { LeaveGuard } from "./leave-guard.js";
import { MessageQueue } from "./message-queue.js";
import { ReadingTools } from "./reading-tools.js";
import { ServiceNotices } from "./service-notices.js";
import { SessionAddress } from "./session-address.js";
import { SessionNotices, isClosed } from "./session-notices.js";
import { StatusText } from "./status-text.js";
import { TermsCard } from "./terms-card.js";
import { TitleField } from "./title-field.js";

/** An operator's page waits this long for the back ends' problems once it is connected (ms). */
const PROBLEMS_WITHIN = 3_000;
/** Without a connection the page is shown all the same after this (ms). */
const SHOWN_WITHIN = 5_000;
/** Translations that were awaited too long are no longer promised: looked at this often (ms). */
const REFRESH_EVERY = 10_000;
const STATUS_EVERY = 5_000;

export class TranslationPage {
  #socket;
  #texts;
  #scope = new Scope();
  #shell;
  #session;
  #microphone;
  #recordings;
  #transcript;
  /** The tool that corrects lines, loaded where this page is the owner's; or null. */
  #lineEditor = null;
  #languages;
  #large;
  #reading;
  #join;
  #titleField;
  #people;
  #host;
  /** The host's tools, loaded where this page is the owner's; or null. */
  #hostTools = null;
  #terms;
  #captionView;
  #exports;
  #guard;
  #preferences = new Preferences();
  #captions;
  #notices;
  #sessionNotices;
  #serviceNotices;
  #tab = new TabSession(tabStorage());
  #address;
  /** Whether the last page of this tab closed a microphone by leaving. */
  #wasCutOff;
  #isOperator = "operator" in document.body.dataset;
  /** Whether this page may begin sessions: on the service's own machine, and for operators. */
  #mayBegin = "operator" in document.body.dataset || "local" in document.body.dataset;
  #queue = new MessageQueue((message) => this.#apply(message), { onSlice: (isDone) => this.#applied(isDone) });
  #status;
  #captionDelay = new CaptionDelay();
  #ownDelays = new OwnDelays();
  /** The topic `services`, or null until known. */
  #services = null;
  /** The language that is spoken, or null before the first choice. */
  #source = null;
  /** Whether the page is shown without the back ends' problems. */
  #isOverdue = false;

  /** `texts`: those of the page's language (models/texts.js). */
  constructor(socket, { texts }) {
    this.#socket = socket;
    this.#texts = texts;
    this.#notices = new Notices(byId("notices"), { dismiss: texts.text("page.dismiss") });
    this.#sessionNotices = new SessionNotices(this.#notices, texts);
    this.#serviceNotices = new ServiceNotices(this.#notices, texts);
    this.#status = new StatusText(() => this.#state(), texts);
    this.#captions = new Captions({ texts });
    const session = (this.#session = new SessionClient(socket, { mayHost: "signedIn" in document.body.dataset }));
    this.#address = new SessionAddress({ session, tab: this.#tab, own: new OwnSessions(browserStorage()) });
    this.#wasCutOff = this.#tab.wasSpeaking(this.#address.wanted.session_id);
    // In English the frame says more: what it found out about the connection, with its details.
    this.#shell = new Shell(socket, { texts: texts.language === "en" ? null : texts, isReady: () => this.#isOpened && (this.#services !== null || !this.#isOperator || this.#isOverdue) });
    const [preferences, captions, target, prepare] = [this.#preferences, this.#captions, () => this.#target(), () => session.ensure()];
    this.#languages = new LanguageChoice({ texts, source: byId("source"), menu: byId("targets"), value: byId("targets-value"), choices: byId("targets-choices"), note: byId("targets-note"), growing: { field: byId("growing-field"), choice: byId("growing"), limit: byId("growing-limit") }, preferences });
    this.#large = new LargeType({ texts, opener: byId("large"), leave: byId("leave-large"), full: byId("full-screen"), preferences });
    const ask = (message) => socket.request({ ...message, session_id: session.session_id });
    this.#host = new HostNotices({ texts, session, notices: this.#notices, request: ask, onMuted: () => this.#microphone.abort() });
    this.#people = new People({ texts, session, card: byId("people") });
    this.#microphone = new MicrophoneControls(socket, { texts, preferences, target, prepare: async () => (await prepare()) && this.#host.mayStart() });
    this.#recordings = this.#createRecordings(target, prepare);
    this.#transcript = this.#createTranscript();
    this.#reading = new ReadingTools({ texts, captions, transcript: this.#transcript, languages: this.#languages, preferences, isOwn: (line) => this.#isOwn(line), now: () => socket.serverNow });
    this.#join = new JoinCard({ texts, socket, session, preferences, prepare, mayBegin: this.#mayBegin, onBegin: () => this.#begin(), onRename: () => session.update(this.#identity) });
    this.#titleField = new TitleField({ session, mayTitle: () => session.isOwner || this.#isOperator || session.phase === "new", onResult: (error) => this.#sessionNotices.showChange("title", error) });
    this.#terms = new TermsCard({ texts, session, storage: tabStorage() });
    this.#captionView = new CaptionViewCard({ texts, session, languages: this.#languages, preferences, prepare, onShare: () => this.#join.shared() });
    this.#exports = new ExportCard({ texts, captions, targets: () => this.#languages.targets, sessionId: () => session.session_id, title: () => session.title, key: () => session.keys?.speak ?? session.keys?.read ?? null });
    this.#guard = new LeaveGuard({ texts, microphone: this.#microphone, tab: this.#tab, sessionId: () => session.session_id, onCutOff: () => this.#showCutOff() });
  }

  #createRecordings(target, prepare) {
    const session = this.#session;
    return new Recordings({
      texts: this.#texts,
      input: byId("file"),
      button: byId("open-file"),
      drop: byId("drop"),
      card: byId("recordings"),
      list: byId("recording-list"),
      target,
      prepare,
      key: () => session.keys?.speak ?? session.keys?.read ?? null,
      onRejected: (text) => this.#sessionNotices.showRejected(text),
      onChange: () => this.#status.showSoon(),
      mayCancel: () => (this.#isOperator ? "operator" : session.isOwner ? "owner" : null),
      cancelAsOwner: (session_id, stream_id) => this.#socket.request({ type: "cancel_recording", session_id, stream_id }),
      storage: tabStorage(),
      uploadStorage: browserStorage(),
    });
  }

  #createTranscript() {
    return new Transcript({
      texts: this.#texts,
      captions: this.#captions,
      list: byId("lines"),
      scroll: byId("scroll"),
      jump: byId("jump"),
      announce: byId("announce"),
      nameOf: (line) => line.speaker || this.#session.nameOf(line.participantId) || this.#texts.text("talk.unknown"),
      isOwn: (line) => this.#isOwn(line),
      mayName: () => !this.#session.isReadOnly,
      nameSpeaker: (label, name) => this.#nameSpeaker(label, name),
      now: () => this.#socket.serverNow,
      // A history is drawn when all of it is applied: lines that were drawn before would be pushed away by the next.
      mayDraw: () => this.#queue.isEmpty,
      onDrawn: () => this.#reading.drawn(),
      onPut: (line, row) => this.#lineEditor?.drawn(line, row),
    });
  }

  async #nameSpeaker(speaker_label, name) {
    try {
      await this.#socket.request({ type: "name_speaker", session_id: this.#session.session_id, speaker_label, name });
      this.#sessionNotices.showChange("speaker", null);
    } catch (error) {
      this.#sessionNotices.showChange("speaker", error);
    }
  }

  #isOwn({ participantId }) {
    return participantId !== null && participantId === this.#session.participant_id;
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    const parts = [this.#address, this.#status, this.#large, this.#reading, new Disclosure({ button: byId("options-button"), content: byId("options") }), this.#join, this.#titleField, this.#terms, this.#guard, this.#captionView, this.#exports, this.#createShortcuts(), this.#shell];
    for (const part of parts) scope.start(part);
    this.#listen();
    for (const part of [this.#session, this.#people, this.#host, this.#languages, this.#microphone, this.#recordings, this.#transcript]) scope.start(part);
    scope.every(REFRESH_EVERY, () => this.#transcript.refresh());
    scope.every(STATUS_EVERY, () => this.#status.showSoon());
    scope.after(SHOWN_WITHIN, () => this.#overdue());
    scope.start(this.#socket);
    this.#showSession();
    this.#open();
  }

  stop() {
    this.#scope.close();
  }

  #createShortcuts() {
    return new Shortcuts({
      dialog: byId("keys"),
      opener: byId("keys-button"),
      choice: byId("keys-on"),
      preferences: this.#preferences,
      keys: {
        m: () => this.#microphone.toggle(),
        p: () => this.#microphone.togglePause(),
        o: () => byId("open-file").disabled || this.#recordings.choose(),
        l: this.#large.toggle,
        ...this.#reading.keys,
        j: () => this.#transcript.jump(),
        c: () => this.#exports.copy(),
      },
    });
  }

  #listen() {
    const scope = this.#scope;
    scope.listen(this.#languages, "change", ({ detail }) => this.#languagesChanged(detail));
    scope.listen(this.#languages, "usage", ({ detail }) => this.#sessionNotices.showUsage(detail));
    scope.listen(this.#microphone, "problem", ({ detail: { key, word, text, more } }) => this.#notices.show(key, { word, tone: "bad", text, more }));
    scope.listen(this.#microphone, "resolved", ({ detail }) => this.#notices.remove(detail.key));
    scope.listen(this.#microphone, "change", () => this.#microphoneChanged());
    scope.listen(this.#session, "phase", () => this.#showSession());
    scope.listen(this.#session, "title", () => this.#showTitle());
    scope.listen(this.#session, "ready", () => this.#ready());
    scope.listen(this.#session, "participants", ({ detail }) => this.#participantsChanged(detail));
    scope.listen(this.#session, "keys", () => this.#keysChanged());
    scope.listen(this.#session, "rejoined", ({ detail }) => this.#sessionNotices.showMissed(detail));
    scope.listen(this.#socket, "message", ({ detail }) => this.#queue.add(detail));
    scope.listen(this.#socket, "complaint", ({ detail }) => this.#showError(detail));
    scope.listen(this.#socket, "state", ({ detail }) => this.#connectionChanged(detail));
    // The state of the back ends is for operators; others see in the captions what they wait for.
    if (this.#isOperator) scope.defer(this.#socket.onTopic("services", (services) => this.#showServices(services)));
  }

  async #open() {
    await this.#session.open({ ...this.#identity, session_id: this.#address.wanted.session_id, mayBegin: this.#mayBegin });
    await this.#queue.settled();
    this.#transcript.isQuiet = false;
    if (this.#wasCutOff && this.#session.phase === "open" && !this.#session.isReadOnly) this.#showCutOff();
  }

  // --- messages -------------------------------------------------------------------------------------------------

  #apply(message) {
    if (message.session_id !== this.#session.session_id) return;
    const { renamed } = this.#captions;
    const line = this.#captions.apply(message);
    if (this.#captions.renamed !== renamed) this.#transcript.rename();
    if (line !== null) {
      this.#transcript.update(line);
      this.#reading.update(line);
      if (this.#microphone.uplink.owns(message.segment_id)) this.#ownDelays.add(message);
    }
    if (message.type === "audio_status") this.#applyStatus(message);
    if (message.type === "translation_usage") this.#languages.applyUsage(message);
    if (message.type === "audio_ended") this.#captionDelay.remove(message.stream_id);
    this.#recordings.apply(message);
    this.#status.showSoon();
  }

  #applyStatus(message) {
    this.#captionDelay.update(message, performance.now() / 1000);
    if (this.#microphone.uplink.owns(message.stream_id)) this.#microphone.showStatus(message);
  }

  /** A slice of the queue was applied. */
  #applied(isDone) {
    this.#showCount();
    if (isDone) this.#transcript.draw();
  }

  #showCount() {
    this.#exports.update();
    this.#showEmpty();
  }

  #showEmpty() {
    const { phase, isReadOnly } = this.#session;
    byId("empty").hidden = this.#transcript.length > 0 || !["open", "new"].includes(phase);
    byId("empty-join").hidden = isReadOnly;
    const { title, text } = nothingYet({ microphone: this.#microphone.state, capture: this.#microphone.capture, sound: this.#microphone.sound, recordings: this.#recordings.active, isReadOnly }, this.#texts);
    setText(byId("empty-title"), title);
    setText(byId("empty-text"), text);
  }

  #microphoneChanged() {
    // It was started again, from the notice or with its own button.
    if (this.#microphone.state === "open") this.#sessionNotices.removeCutOff();
    this.#showStatus();
  }

  // --- status ---------------------------------------------------------------------------------------------------

  #showStatus() {
    this.#showEmpty();
    this.#status.showNow();
  }

  /** What the sentence under the title is made from. */
  #state() {
    const { phase, reason, participants, count, participant_id, isReadOnly } = this.#session;
    const { state: microphone, capture, sound, uplink } = this.#microphone;
    return {
      phase,
      reason: reasonText(reason, this.#texts),
      shutOut: shutOutNotice(this.#texts, this.#session.shutOut)?.text ?? "",
      connection: this.#socket.state.state,
      microphone,
      capture,
      sound,
      uplink: { state: uplink.state, waiting: uplink.waiting, isUnresponsive: uplink.isUnresponsive },
      participants,
      count,
      speaking: participants.filter((each) => each.speaking && each.participant_id !== participant_id).map(({ name }) => name || this.#texts.text("talk.someone")),
      lines: this.#transcript.length,
      lag: this.#ownDelays.median,
      waiting: this.#waiting,
      recordings: this.#recordings.active,
      isReadOnly,
    };
  }

  /** What is late, or null. Names of back ends are for operators. */
  get #waiting() {
    const late = this.#captionDelay.at(performance.now() / 1000);
    return late === null || this.#isOperator ? late : { ...late, service: null };
  }

  #showServices(services) {
    const before = this.#services;
    this.#services = services;
    showBanners(byId("problems"), problems({ services, tree: null, config: null }));
    this.#serviceNotices.show(services);
    if (before !== null && languagesDependOn(before) !== languagesDependOn(services)) this.#languages.load();
    this.#shell.reveal();
  }

  #showError({ code, detail, stream_id }) {
    // Audio that was under way when its stream broke off: the uplink begins another stream. `token_required`: what
    // only operators receive, guests need not know of.
    if (code === "audio_not_started" || code === "token_required") return;
    // The card of a recording shows its errors.
    if (stream_id !== undefined && this.#recordings.owns(stream_id)) return;
    this.#sessionNotices.showError({ code, detail });
  }

  #showCutOff() {
    this.#sessionNotices.showCutOff(() => this.#microphone.state === "off" && this.#microphone.toggle());
  }

  #connectionChanged({ state }) {
    // The service publishes what waits again when it changes.
    if (state !== "live") this.#captionDelay.clear();
    this.#join.show();
    this.#showControls();
    this.#microphone.refresh();
    this.#showStatus();
    this.#revealSoon();
  }

  // --- the session ----------------------------------------------------------------------------------------------

  get #identity() {
    const { role, key } = this.#address.wanted;
    return { name: this.#join.name, languages: this.#languages.targets, growing: this.#languages.growing, role, key };
  }

  get #canSpeak() {
    const { isReadOnly, phase } = this.#session;
    return !isReadOnly && (phase === "open" || (phase === "new" && this.#socket.isLive));
  }

  /** Where speech goes, or null where nobody can speak. */
  #target() {
    return this.#canSpeak ? { session_id: this.#session.session_id, source: this.#languages.source, targets: this.#languages.targets, diarization: this.#microphone.diarization } : null;
  }

  #showSession() {
    const { phase } = this.#session;
    for (const part of document.querySelectorAll("#controls, .talk")) part.hidden = phase === "uninvited";
    byId("enter-code").hidden = phase !== "uninvited";
    this.#showTitle();
    this.#join.show();
    this.#showControls();
    if (isClosed(phase)) {
      this.#showClosed();
      this.#microphone.abort();
      this.#tab.forget();
    } else this.#sessionNotices.removeClosed();
    this.#microphone.refresh();
    this.#showCount();
    this.#showStatus();
    this.#revealSoon();
  }

  #showTitle() {
    const title = this.#session.title || this.#session.session_id || this.#texts.text("talk.title");
    setText(byId("page-title"), title);
    setAttribute(byId("page-title"), "dir", "auto");
    document.title = `${title} · LiveTranslate`;
    // The list of one's own sessions has it too.
    if (this.#session.phase === "open") this.#address.store();
  }

  #showClosed() {
    const { shutOut } = this.#session;
    // After a removal the service accepts no connection of this page.
    const mayBegin = this.#mayBegin && shutOut !== "removed";
    this.#sessionNotices.showClosed(this.#session, { hasLines: this.#transcript.length > 0, mayBegin, onBegin: () => this.#begin(), byHost: shutOutNotice(this.#texts, shutOut) });
  }

  /** A page that only reads has nothing to speak with. */
  #showControls() {
    const isReadOnly = this.#session.isReadOnly || this.#session.phase === "uninvited";
    const controls = [byId("speak"), byId("device").closest(".field"), byId("source").closest(".field"), byId("open-file"), byId("microphone")];
    for (const control of controls) if (control !== null) control.hidden = isReadOnly;
    if (isReadOnly) this.#notices.remove("microphone");
    byId("open-file").disabled = !this.#canSpeak;
  }

  /** The session can be spoken in, for the first time or again. */
  #ready() {
    this.#microphone.sessionReady();
    this.#loadLineEditor();
    this.#loadHostTools();
    this.#recordings.check(this.#session.session_id).catch(() => toast(this.#texts.text("recording.list_failed"), { tone: "bad" }));
  }

  /** Most pages read: they load no tool that they may not use. */
  async #loadLineEditor() {
    if (this.#lineEditor !== null || !this.#session.isHost) return;
    try {
      const { LineEditor } = await import("../../components/translation/line-editor.js");
      if (this.#lineEditor !== null || !this.#scope.isOpen) return;
      const session = this.#session;
      const request = (message) => this.#socket.request({ ...message, session_id: session.session_id });
      this.#lineEditor = new LineEditor({ texts: this.#texts, list: byId("lines"), captions: this.#captions, request, confirm, mayEdit: () => session.isHost });
    } catch {
      toast(this.#texts.text("line.not_loaded"), { tone: "bad" });
      return;
    }
    this.#scope.start(this.#lineEditor);
    for (const line of this.#captions.lines) this.#transcript.update(line);
    this.#transcript.draw();
  }

  async #loadHostTools() {
    if (this.#hostTools !== null || !this.#session.isHost) return;
    const texts = this.#texts;
    try {
      const { HostTools } = await import("../../components/translation/host-tools.js");
      if (this.#hostTools !== null || !this.#scope.isOpen) return;
      const session = this.#session;
      this.#hostTools = new HostTools({
        texts,
        session,
        box: this.#people.toolbox,
        request: (message) => this.#socket.request({ ...message, session_id: session.session_id }),
        confirm,
        onDone: (text) => (this.#notices.remove("host tools"), toast(text)),
        onProblem: (text) => this.#notices.show("host tools", { word: texts.text("people.host"), tone: "bad", text }),
      });
    } catch {
      toast(texts.text("page.not_loaded_short"), { tone: "bad" });
      return;
    }
    this.#scope.start(this.#hostTools);
    this.#people.equip(this.#hostTools);
  }

  /** Links in the address and in the tab lead to the session with its new key. */
  #keysChanged() {
    this.#address.store();
    this.#join.show();
  }

  #participantsChanged(detail) {
    this.#join.showParticipants(detail);
    this.#transcript.rename();
    this.#status.showSoon();
  }

  #languagesChanged(detail) {
    setText(byId("read-head"), this.#languages.heading);
    this.#microphone.canDiarize = detail.offer?.diarization === true;
    this.#transcript.show(detail);
    this.#session.update({ languages: detail.targets, growing: detail.growing });
    // The service learns from the session what is read; another spoken language begins a new stream.
    if (this.#source !== null && this.#source !== detail.source) this.#microphone.changeLanguages(detail);
    this.#source = detail.source;
    const text = this.#languages.problem;
    if (text === "") this.#notices.remove("languages");
    else this.#notices.show("languages", { word: this.#texts.text("word.not_offered"), text, more: this.#texts.text("languages.still_transcribed") });
  }

  /** Leave the session, if one is open, for a new one that begins with its first word. */
  async #begin() {
    if (!(await this.#guard.mayLeave())) return;
    if (this.#session.phase === "open") await this.#session.leave({ isEmpty: !this.#join.isShared && this.#transcript.length === 0 });
    this.#address.clear();
    this.#queue.clear();
    this.#captions.clear();
    this.#transcript.clear();
    this.#transcript.isQuiet = false;
    this.#join.clear();
    this.#captionDelay.clear();
    this.#languages.forgetUsage();
    this.#sessionNotices.removeMissed();
    await this.#session.open({ ...this.#identity, session_id: null });
  }

  // --- showing the page for the first time ----------------------------------------------------------------------

  get #isOpened() {
    return !["idle", "opening"].includes(this.#session.phase);
  }

  /** Show the page without waiting for the back ends' problems. */
  #overdue() {
    this.#isOverdue = true;
    this.#shell.reveal();
  }

  #revealSoon() {
    this.#shell.reveal();
    if (!this.#isOverdue && this.#isOpened && this.#socket.isLive && this.#scope.isOpen) this.#scope.after(PROBLEMS_WITHIN, () => this.#overdue());
  }
}
