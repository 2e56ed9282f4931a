/** The card with the session's name, participants and links, and with this page's own name. */

import { byId, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { linkBase, writeLink } from "../../models/session-link.js";
import { here, whoYouAre } from "../../models/translation-text.js";
import { copyAndReport } from "./export-card.js";
import { InviteDialog } from "./invite-dialog.js";

const NAME_KEY = "translation:name";

export class JoinCard {
  #scope = new Scope();
  #texts;
  #socket;
  #session;
  #preferences;
  #prepare;
  #mayBegin;
  #onBegin;
  #onRename;
  #links = linkBase(location.href, byId("link-reach").dataset.publicUrl);
  #isShared = false;
  #invite;

  /**
   * `prepare()` resolves to whether there is a session; `mayBegin`: whether this page may begin sessions;
   * `onBegin()`: a new session is wanted; `onRename()`: the reader has another name; `texts`: those of the page's
   * language.
   */
  constructor({ texts, socket, session, preferences, prepare, mayBegin, onBegin, onRename }) {
    this.#texts = texts;
    this.#socket = socket;
    this.#session = session;
    this.#preferences = preferences;
    this.#prepare = prepare;
    this.#mayBegin = mayBegin;
    this.#onBegin = onBegin;
    this.#onRename = onRename;
    this.#invite = new InviteDialog({ texts, session, base: this.#links.base });
  }

  start() {
    if (!this.#scope.open()) return;
    byId("name").value = this.#preferences.get(NAME_KEY) ?? "";
    this.#scope.listen(byId("name"), "change", () => {
      this.#preferences.set(NAME_KEY, this.name);
      this.#onRename();
    });
    this.#scope.listen(byId("copy-link"), "click", () => this.#copyLink());
    this.#scope.listen(byId("copy-reader"), "click", () => this.#copyLink({ isReader: true }));
    this.#scope.listen(byId("show-invite"), "click", () => this.#showInvite());
    this.#scope.start(this.#invite);
    this.#scope.listen(byId("new-session"), "click", this.#onBegin);
    this.#showReach();
  }

  stop() {
    this.#scope.close();
  }

  /** The name that the reader gave, or "". */
  get name() {
    return byId("name").value.trim();
  }

  /** Whether a link to this session was copied: then others may still join. */
  get isShared() {
    return this.#isShared;
  }

  /** A link to this session was made elsewhere on the page. */
  shared() {
    this.#isShared = true;
  }

  /** A new session begins, which nobody has a link to. */
  clear() {
    this.#isShared = false;
  }

  show() {
    const { session_id, phase, keys, isReadOnly } = this.#session;
    setText(byId("session-name"), session_id ?? "");
    const mayCopy = phase === "open" || phase === "rejoining" || (phase === "new" && this.#socket.isLive);
    byId("copy-link").hidden = isReadOnly || (keys !== null && !keys.speak);
    byId("copy-link").disabled = !mayCopy;
    byId("copy-reader").disabled = !mayCopy;
    byId("show-invite").disabled = !mayCopy;
    setText(byId("copy-reader"), isReadOnly ? this.#texts.text("join.copy") : this.#texts.text("join.copy_reader"));
    byId("new-session").hidden = isReadOnly || !this.#mayBegin || ["new", "idle", "opening"].includes(phase);
  }

  /** `participants`: the first of them; `count`: how many there are. */
  showParticipants({ participants, count }) {
    setText(byId("here"), here(participants, count, this.#texts).replace(/^./u, (first) => first.toLocaleUpperCase(this.#texts.language)));
    // Of a crowd only the first are listed: this page's own participant may not be among them.
    const me = participants.find(({ participant_id }) => participant_id === this.#session.participant_id);
    setText(byId("you-are"), whoYouAre(me?.name ?? null, this.#texts));
  }

  /** Show how far links reach that are copied here, where they do not reach other machines as the page's address would. */
  #showReach() {
    const { reach, base } = this.#links;
    if (reach === "same") return;
    const text =
      reach === "machine"
        ? this.#texts.text("join.this_machine", { command: "make run ARGS=--share" })
        : this.#texts.text("join.reach", { host: new URL(base).host });
    for (const id of ["link-reach", "invite-reach"]) {
      byId(id).hidden = false;
      setText(byId(id), text);
    }
  }

  /** Show the QR code and the short code. A new session begins when others are invited to it. */
  async #showInvite() {
    if (!(await this.#prepare())) return;
    this.#isShared = true;
    await this.#invite.open();
  }

  /** Copy a link to speak with, or with `isReader` to read with. A new session begins when its link is shared. */
  async #copyLink({ isReader = false } = {}) {
    if (!(await this.#prepare())) return;
    this.#isShared = true;
    const { session_id, keys, isReadOnly } = this.#session;
    const key = isReader ? keys?.read : keys?.speak;
    if (!key) return;
    await copyAndReport(writeLink(this.#links.base, { session_id, key }), this.#copied(isReader && !isReadOnly));
  }

  /** What is shown once a link was copied, or was not. */
  #copied(isReader) {
    const texts = this.#texts;
    return isReader
      ? { copied: texts.text("join.reader_copied"), failed: texts.text("join.reader_not_copied") }
      : { copied: texts.text("join.copied"), failed: texts.text("join.not_copied") };
  }
}
