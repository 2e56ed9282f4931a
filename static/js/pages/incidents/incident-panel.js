/** The side panel of one incident: what happened, with operators' notes and the post-mortem. */

import { runAction } from "../../components/actions.js";
import { h, keyed, setText } from "../../components/dom.js";
import { facts, showFacts } from "../../components/fact-list.js";
import { pill, setPill } from "../../components/pill.js";
import { RowPanel } from "../../components/row-panel.js";
import { setTime, timeElement } from "../../components/time-element.js";
import { entryKind, entrySeverity, impactWord, incidentState, lasted } from "../../models/incidents.js";
import { counted } from "../../models/number-format.js";

export class IncidentPanel extends RowPanel {
  #send;
  #now;
  /** The incidents that are known, or null. */
  #incidents = null;

  /** `send(method, path, body)` resolves to the changed incident; `now()`: the service's time in seconds. */
  constructor(dialog, { send, now }) {
    super(dialog, "incident");
    this.#send = send;
    this.#now = now;
  }

  show(incidents) {
    this.#incidents = incidents;
    this.refresh();
  }

  row(key) {
    if (this.#incidents === null) return undefined;
    return this.#incidents.find(({ number }) => String(number) === key) ?? null;
  }

  missing(key) {
    return { title: `Incident ${key}`, text: `No incident has the number ${key}.`, next: "It may be older than 90 days, or not among the newest 50. Close this panel and choose one from the list." };
  }

  update({ state, began, ended, list, dropped, entries }, incident) {
    const { word, tone } = incidentState(incident);
    this.title(`Incident ${incident.number}: ${incident.service}`);
    setPill(state, word, tone);
    setTime(began, incident.began);
    if (incident.ended !== null) setTime(ended, incident.ended);
    showFacts(list, [
      ["Service", incident.service],
      ["Worst", impactWord(incident.worst)],
      ["Began", began],
      ["Was over", incident.ended === null ? null : ended],
      ["Lasted", lasted(incident, this.#now())],
    ]);
    setText(dropped, incident.dropped > 0 ? `${counted(incident.dropped, "older entry", "older entries")} left out.` : "");
    showEntries(entries, incident.entries);
  }

  build(incident) {
    const parts = {
      state: pill(),
      list: facts(),
      began: timeElement(),
      ended: timeElement(),
      dropped: h("p", { class: "faint small" }),
      entries: h("ol", { class: "events", "aria-live": "polite", "aria-relevant": "additions" }),
    };
    const nodes = [
      h("p", {}, parts.state),
      parts.list,
      h("section", {}, h("h3", {}, "What happened"), parts.entries, parts.dropped),
      this.#form({
        id: "note",
        title: "Add a note",
        label: "Note for operators; guests never read it",
        limit: 2_000,
        verb: "Add the note",
        isRequired: true,
        text: "",
        send: (text) => this.#send("POST", `/api/incidents/${incident.number}/notes`, { text }),
        done: "The note was added.",
      }),
      this.#form({
        id: "post-mortem",
        title: "Post-mortem",
        label: "What happened, why, and what is changed; guests never read it",
        limit: 20_000,
        verb: "Store the post-mortem",
        isRequired: false,
        text: incident.post_mortem,
        send: (text) => this.#send("PUT", `/api/incidents/${incident.number}/post-mortem`, { text }),
        done: "The post-mortem was stored.",
      }),
    ];
    return { ...parts, nodes };
  }

  #form({ id, title, label, limit, verb, isRequired, text, send, done }) {
    const input = h("textarea", { id: `incident-${id}`, dir: "auto", rows: isRequired ? "3" : "8", maxlength: String(limit), required: isRequired, autocomplete: "off" });
    input.value = text;
    const button = h("button", { type: "submit", class: "button" }, verb);
    return h(
      "form",
      {
        class: "status-form",
        onsubmit: async (event) => {
          event.preventDefault();
          const written = input.value.trim();
          if (isRequired && written === "") return;
          const changed = await runAction(button, () => send(written), done);
          if (changed !== null && isRequired) input.value = "";
        },
      },
      h("h3", {}, title),
      h("span", { class: "field field-tall" }, h("label", { for: `incident-${id}` }, label), input),
      h("p", {}, button),
    );
  }
}

function showEntries(list, entries) {
  const numbered = entries.map((entry, index) => ({ ...entry, key: `${entry.at} ${entry.kind} ${index}` }));
  keyed(list, numbered.reverse(), {
    key: (entry) => entry.key,
    create: (entry) =>
      h(
        "li",
        { class: "event", "data-severity": entrySeverity(entry) },
        timeElement(entry.at),
        h("span", { class: "event-mark", "aria-hidden": "true" }),
        h("span", { class: "event-text" }, h("strong", {}, entryKind(entry)), " ", h("bdi", { dir: "auto", class: "status-note" }, entry.text)),
      ),
    update: (element, entry) => setTime(element.firstElementChild, entry.at),
  });
}
