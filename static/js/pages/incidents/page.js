/** The Incidents page: open and past incidents, the uptime of each service, and the status page's announcements. */

import { showBanners } from "../../components/banners.js";
import { byId, h, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { pill, setPill } from "../../components/pill.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Polling } from "../../components/polling.js";
import { Scope } from "../../components/scope.js";
import { Table } from "../../components/table.js";
import { setTime, timeElement } from "../../components/time-element.js";
import { showUptime } from "../../components/uptime-bars.js";
import { control } from "../../control-api.js";
import { impactWord, incidentState, lasted, sentence } from "../../models/incidents.js";
import { count } from "../../models/number-format.js";
import { Shell } from "../../shell.js";
import { AnnouncementsCard } from "./announcements-card.js";
import { IncidentPanel } from "./incident-panel.js";

/** What is requested, and how often (ms). */
const SOURCES = {
  incidents: { path: "/api/incidents?limit=50", every: 4_000, subject: "Incidents" },
  uptime: { path: "/api/uptime", every: 20_000, subject: "Uptime" },
  announcements: { path: "/api/status/announcements", every: 10_000, subject: "Announcements" },
};

export class IncidentsPage {
  #socket;
  #send;
  #scope = new Scope();
  #shell;
  #pollings;
  #panel;
  #announcements;
  #table;
  /** The last response of each source, null until known, and the error of its last request, null if there is none. */
  #data = { incidents: null, uptime: null, announcements: null };
  #errors = { incidents: null, uptime: null, announcements: null };

  /** `send(method, path, body)` resolves to a response of the control API, or rejects. */
  constructor(socket, { send = control } = {}) {
    this.#socket = socket;
    this.#send = send;
    this.#shell = new Shell(socket);
    this.#pollings = Object.fromEntries(Object.entries(SOURCES).map(([name, { every }]) => [name, new Polling({ fetch: (path) => send("GET", path), interval: every })]));
    this.#panel = new IncidentPanel(byId("incident"), { send: (...request) => this.#change(...request), now: () => this.#now });
    this.#announcements = new AnnouncementsCard({ send, onChange: () => this.#reload("announcements") });
    this.#table = new Table({
      caption: "Incidents, open ones first",
      key: ({ number }) => number,
      href: ({ number }) => this.#panel.href(String(number)),
      onOpen: (key) => this.#panel.open(key),
      columns: [
        {
          label: "Incident",
          keep: true,
          create: ({ number, service }) => h("a", { class: "row-link", href: this.#panel.href(String(number)) }, `${number}: `, h("bdi", { dir: "auto" }, service)),
          update: () => {},
        },
        {
          label: "State",
          keep: true,
          create: () => pill(),
          update: (cell, incident) => {
            const { word, tone } = incidentState(incident);
            setPill(cell, word, tone);
          },
        },
        { label: "Worst", tagged: true, text: ({ worst }) => impactWord(worst) },
        { label: "Began", tagged: true, create: () => timeElement(), update: (cell, { began }) => setTime(cell, began) },
        { label: "Lasted", number: true, text: (incident) => lasted(incident, this.#now) },
        { label: "Post-mortem", tagged: true, text: (incident) => (incident.post_mortem === "" ? "none" : "written") },
      ],
    });
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#shell);
    this.#scope.start(this.#announcements);
    this.#scope.listen(byId("uptime-window"), "change", () => this.#show("uptime"));
    for (const name of Object.keys(SOURCES)) this.#poll(name);
    this.#scope.defer(() => Object.values(this.#pollings).forEach((polling) => polling.stop()));
    this.#scope.start(this.#panel);
    this.#scope.start(this.#socket);
  }

  stop() {
    this.#scope.close();
  }

  /** The service's time in seconds since the epoch. */
  get #now() {
    return this.#socket.serverNow / 1000;
  }

  #poll(name) {
    this.#pollings[name].poll(SOURCES[name].path, (outcome) => this.#receive(name, outcome));
  }

  #reload(name) {
    this.#pollings[name].stop();
    this.#poll(name);
  }

  async #change(...request) {
    const changed = await this.#send(...request);
    this.#reload("incidents");
    return changed;
  }

  #receive(name, { data, error }) {
    this.#errors[name] = error;
    if (error === null) {
      this.#data[name] = data;
      this.#show(name);
    }
    const faults = Object.entries(this.#errors).filter(([, each]) => each !== null);
    showBanners(
      byId("incident-faults"),
      faults.map(([key, { message }]) => ({
        key,
        tone: "warn",
        word: "not current",
        subject: SOURCES[key].subject,
        text: message,
        more: this.#data[key] === null ? "Nothing was received so far. It is tried again." : "What is shown was received before. It is tried again.",
        since: this.#data[key]?.now ?? null,
        action: null,
      })),
    );
    if (faults.length > 0 && this.#data.incidents === null) setText(byId("page-status"), "Incidents cannot be shown right now.");
  }

  #show(name) {
    const data = this.#data[name];
    if (data === null) return;
    if (name === "incidents") this.#showIncidents(data);
    else if (name === "announcements") this.#announcements.show(data);
    else this.#showUptime(data);
  }

  #showIncidents(list) {
    setText(byId("page-status"), sentence(list));
    const placeholder = byId("incidents-placeholder");
    if (list.incidents.length === 0) fillPlaceholder(placeholder, emptyState("There was no incident in the last 90 days.", "One opens by itself when a back end is down or degraded for longer than the settings under incidents allow."));
    else {
      fillPlaceholder(placeholder, this.#table.element);
      this.#table.show(list.incidents);
    }
    setText(byId("incidents-note"), list.total > list.incidents.length ? `the newest ${count(list.incidents.length)} of ${count(list.total)}` : "of the last 90 days");
    this.#panel.show(list.incidents);
  }

  #showUptime({ services }) {
    const placeholder = byId("uptime-placeholder");
    if (services.length === 0) {
      fillPlaceholder(placeholder, emptyState("No back end is configured.", "Name one under services in the settings file."));
      return;
    }
    showUptime(fillPlaceholder(placeholder, null, "div", "status-uptime"), services, byId("uptime-window").value);
  }
}
