/** Connections: the pool by state, sessions, who is behind and by how much. */

import { announce } from "../components/announcement-dialog.js";
import { showBanners } from "../components/banners.js";
import { byId, h, keyed, setAttribute, setText } from "../components/dom.js";
import { emptyState } from "../components/empty-state.js";
import { facts, showFacts } from "../components/fact-list.js";
import { Panel } from "../components/panel.js";
import { pill, setPill } from "../components/pill.js";
import { Polling } from "../components/polling.js";
import { runAction } from "../components/actions.js";
import { noSessions } from "../components/session-list.js";
import { fillPlaceholder } from "../components/placeholder.js";
import { Table } from "../components/table.js";
import { Tile } from "../components/tile.js";
import { setTime, timeElement } from "../components/time-element.js";
import { confirm } from "../components/confirm-dialog.js";
import { control } from "../control-api.js";
import { isolated } from "../models/bidi.js";
import { agentText, chosen, closing, countText, crowded, doing, lowered, moreSessions, question, sentence, limitText, tally } from "../models/connections.js";
import { bytes, count, number } from "../models/number-format.js";
import { Rates } from "../models/rates.js";
import { silentWorkerProblems, workerLabel } from "../models/workers.js";
import { serverNow, socket } from "../page-socket.js";
import { Shell } from "../shell.js";

let pool = null;
let course = null;
/** What is looked for: what connections do, and on which worker; "" is any. */
const wanted = { doing: "", worker: "" };
/** How the store of sessions is, or null until known. */
let store = null;
/** What the service answered where what is looked for may be beyond what the page is told of, or null. */
let answered = null;
/** Whether the reader has chosen others, so that how many they are is to be read out, and whether that is not known yet. */
let isChosen = false;
let isAsking = false;
/** When it was first noticed that a worker does not answer, in seconds since the epoch. */
let silentSince = null;
/** Rows shown at first, and with each press of the button. */
const PAGE = 50;
/** Milliseconds after a key was pressed until the service is asked. */
const TYPING = 250;
const get = (path) => control("GET", path);
const search = new Polling({ fetch: get });
const lookup = new Polling({ fetch: get });
/** Rates of the connections the page is told of, and of those the service has answered: each list follows its own. */
const rates = { told: new Rates(), answered: new Rates() };
const rate = (row, name) => rates[answered === null ? "told" : "answered"].of(row.connection_id, name) ?? rates.told.of(row.connection_id, name);

const tiles = Object.fromEntries(["open", "sessions", "messages", "queued"].map((name) => [name, new Tile(byId(`tile-${name}`))]));
const panel = new Panel(byId("connection"), { field: "connection", onChange: () => showPanel(true) });

const sessionLink = (id) => h("a", { dir: "auto", href: `/translation#session=${encodeURIComponent(id)}` }, id);

const hasSeveral = () => pool.workers.length > 1;

function labelOf(name) {
  const workers = pool.workers.map(({ worker }) => worker);
  const worker = workers.find((each) => each.name === name);
  return worker === undefined ? "a worker that is gone" : workerLabel(worker, workers);
}

/** The worker's name, its process and its machine. */
function whereabouts(name) {
  const worker = pool.workers.map((each) => each.worker).find((each) => each.name === name);
  return worker === undefined || worker.host === null ? labelOf(name) : `${labelOf(name)}, process ${worker.pid} at ${worker.host}`;
}

const table = new Table({
  caption: "Connections, newest first",
  key: (row) => row.connection_id,
  href: (row) => panel.href(row.connection_id),
  onOpen: (key) => panel.open(key),
  onSort: () => {
    look();
    showPool();
  },
  words: (row) => [row.connection_id, row.address, row.name ?? "", row.agent ?? "", ...row.sessions],
  columns: [
    {
      label: "Who",
      sort: (row) => row.name ?? row.address,
      create: (row) => h("span", {}, h("a", { class: "row-link", dir: "auto", href: panel.href(row.connection_id) }), h("span", { class: "cell-sub", dir: "auto" })),
      update: (cell, row) => {
        setText(cell.firstElementChild, row.name ?? row.address);
        const parts = [row.name ? row.address : null, agentText(row.agent), hasSeveral() ? labelOf(row.worker) : null];
        setText(cell.lastElementChild, parts.filter((part) => part !== null).join(" · "));
      },
    },
    {
      label: "State",
      keep: true,
      sort: (row) => doing(row).word,
      create: () => pill(),
      update: (cell, row) => {
        const { word, tone } = doing(row);
        setPill(cell, word, tone);
      },
    },
    { label: "Sessions", sort: (row) => row.sessions[0] ?? null, text: (row) => row.sessions.join(", ") + moreSessions(row) || "–" },
    { label: "Opened", sort: (row) => row.since, create: () => timeElement(), update: (cell, row) => setTime(cell, row.since) },
    { label: "In /s", number: true, sort: (row) => rate(row, "received"), text: (row) => number(rate(row, "received")) },
    { label: "Out /s", number: true, sort: (row) => rate(row, "sent"), text: (row) => number(rate(row, "sent")) },
    { label: "Waiting", number: true, keep: true, sort: (row) => row.queued_bytes, text: (row) => bytes(row.queued_bytes) },
  ],
});

table.limit = PAGE;

const sessions = new Table({
  caption: "Sessions",
  key: (row) => row.session_id,
  columns: [
    { label: "Session", sort: (row) => row.session_id, create: (row) => sessionLink(row.session_id), update: () => {} },
    { label: "Here", number: true, keep: true, sort: (row) => row.participants, text: (row) => count(row.participants) },
    { label: "Speaking", number: true, keep: true, sort: (row) => row.speaking, text: (row) => count(row.speaking) },
    { label: "Transcribing", number: true, sort: (row) => row.streams, text: (row) => count(row.streams) },
    { label: "Messages", number: true, sort: (row) => row.offset, text: (row) => count(row.offset) },
    { label: "Began", sort: (row) => row.created, create: () => timeElement(), update: (cell, row) => setTime(cell, row.created) },
    { label: "Last active", sort: (row) => row.last_active, create: () => timeElement(), update: (cell, row) => setTime(cell, row.last_active) },
    {
      label: "",
      name: "End",
      keep: true,
      create: (row) => h("button", { type: "button", class: "button button-small", "aria-label": `End session ${row.session_id}`, onclick: (event) => end(row.session_id, event.currentTarget) }, "End"),
      update: () => {},
    },
  ],
});

const sums = new Table({
  caption: "What there may be only so much of, all clients together",
  key: (row) => row.name,
  columns: [
    { label: "What", sort: (row) => limitText(row).word, text: (row) => limitText(row).word },
    { label: "Taken", number: true, keep: true, sort: (row) => row.taken / row.limit, text: (row) => limitText(row).taken },
    { label: "Of", number: true, keep: true, sort: (row) => row.limit, text: (row) => limitText(row).limit },
    {
      label: "State",
      keep: true,
      sort: (row) => row.taken / row.limit,
      create: () => pill(),
      update: (cell, row) => {
        const { state, tone } = limitText(row);
        setPill(cell, state, tone);
      },
    },
    { label: "Setting", sort: (row) => row.setting, create: (row) => h("code", {}, row.setting), update: () => {} },
  ],
});

function showSums() {
  byId("sums").hidden = pool.sums.length === 0;
  fillPlaceholder(byId("sums-placeholder"), sums.element);
  sums.show(pool.sums);
}

async function end(id, button) {
  const isSure = await confirm({
    title: `End the session ${isolated(id)}?`,
    text: "Everyone in it is told that it has ended, and what was said is deleted. This cannot be undone; export the transcript first where it is wanted.",
    verb: "End session",
    isDangerous: true,
  });
  if (isSure) await runAction(button, () => control("DELETE", `/api/sessions/${encodeURIComponent(id)}`), `The session ${isolated(id)} has ended.`);
}

async function close(row, button) {
  const isSure = await confirm({ ...closing(row, socket.connection?.connection_id === row.connection_id), isDangerous: true });
  if (!isSure) return;
  const path = `/api/connections/${encodeURIComponent(row.connection_id)}`;
  await runAction(button, () => control("DELETE", path), `The connection of ${isolated(row.name ?? row.address)} is being closed.`);
}

function showTiles() {
  tiles.open.show({ value: count(pool.active), unit: `of ${count(pool.limit)}`, series: course?.connections, note: `${count(pool.total)} accepted since the start` });
  const { speaking } = pool.doings;
  tiles.sessions.show({ value: count(pool.sessions), unit: pool.sessions === 1 ? "session" : "sessions", note: speaking === 0 ? "nobody is speaking" : `${count(speaking)} speaking` });
  tiles.messages.show({ value: number(pool.messages_out_per_second), unit: "/s", series: course?.messages_out_per_second, note: `${number(pool.messages_in_per_second)}/s in, over the last 6 s` });
  tiles.queued.show({ value: bytes(pool.queued_bytes), note: `${count(pool.evicted)} evicted since the start; each may have ${bytes(pool.outbox_limit)} waiting` });
}

function showPool() {
  const slot = byId("pool-placeholder");
  if (pool.connections.length === 0) {
    fillPlaceholder(slot, emptyState("Nobody is connected.", "This page counts as one connection as soon as it is live."));
    setText(byId("pool-count"), "");
    return;
  }
  fillPlaceholder(slot, table.element);
  table.filter(answered === null ? byId("find").value : "");
  table.show(chosen(rows(), wanted));
  const isWhole = pool.connections.length >= pool.active;
  const matching = answered?.matching ?? (isWhole ? table.matching : pool.active);
  const words = countText({ matching, listed: table.matching, active: pool.active, isSorted: answered !== null });
  if (isChosen && !isAsking) {
    isChosen = false;
    setText(byId("pool-count"), words);
  }
  setText(byId("pool-note"), words);
  const beyond = table.matching - table.shown;
  byId("pool-more").hidden = beyond === 0;
  setText(byId("pool-more"), `Show ${count(Math.min(beyond, PAGE))} more`);
}

/** The connections to show: those the page is told of, or what the service has answered. */
const rows = () => answered?.connections ?? pool.connections;

/** Ask the service where what is looked for may be beyond what the page is told of. */
function look({ within = 0 } = {}) {
  const asked = question(pool, { ...wanted, find: byId("find").value, sort: table.sort });
  if (asked === null) {
    search.stop();
    answered = null;
    isAsking = false;
    return;
  }
  const hear = ({ answer, error }) => {
    if (error !== null) {
      setText(byId("pool-note"), error.message);
      return;
    }
    answered = answer;
    isAsking = false;
    note(rates.answered, answer.connections);
    showPool();
  };
  const path = `/api/connections?${asked}`;
  if (search.path !== path) isAsking = true;
  search.ask(path, hear, { within });
}

function note(kept, connections) {
  kept.note(performance.now() / 1000, connections.map(({ connection_id: key, received, sent }) => ({ key, values: { received, sent } })));
}

function showWorkers() {
  byId("worker-field").hidden = !hasSeveral();
  const workers = pool.workers.map(({ worker }) => worker);
  const options = [{ value: "", label: "any" }, ...workers.map((worker) => ({ value: worker.name, label: workerLabel(worker, workers) }))];
  keyed(byId("worker"), options, {
    key: ({ value }) => `is ${value}`,
    create: ({ value }) => h("option", { value }),
    update: (element, { label }) => setText(element, label),
  });
  if (!options.some(({ value }) => value === wanted.worker)) wanted.worker = "";
  byId("worker").value = wanted.worker;
  const isSilent = pool.workers.some((each) => !each.answered);
  silentSince = isSilent ? (silentSince ?? serverNow()) : null;
  showBanners(byId("problems"), [...silentWorkerProblems(pool.workers, "connections", silentSince), ...crowded(pool), ...lowered(pool)]);
}

function showChoices() {
  keyed(byId("choices"), tally(pool), {
    key: ({ key }) => `is ${key}`,
    create: ({ key, word }) =>
      h(
        "button",
        {
          type: "button",
          class: "choice",
          onclick: () => {
            wanted.doing = key;
            isChosen = true;
            showChoices();
            look();
            showPool();
          },
        },
        `${word} `,
        h("strong", {}),
      ),
    update: (element, { key, count: many }) => {
      setAttribute(element, "aria-pressed", String(key === wanted.doing));
      setText(element.lastElementChild, count(many));
    },
  });
}

function showSessionTable() {
  const slot = byId("sessions-placeholder");
  if (pool.session_list.length === 0) {
    const isSilent = pool.workers.some((each) => !each.answered);
    fillPlaceholder(slot, isSilent ? emptyState("No session is in use on the workers that answer.") : noSessions(pool.sessions));
  } else {
    fillPlaceholder(slot, sessions.element);
    sessions.show(pool.session_list);
  }
  setText(byId("sessions-note"), pool.sessions > pool.session_list.length ? `${count(pool.session_list.length)} of ${count(pool.sessions)}` : "");
}

let open = null;

function showPanel(isNew = false) {
  const { key } = panel;
  table.select(key);
  if (isNew) {
    open = null;
    lookup.stop();
  }
  if (key === null || pool === null) return;
  const row = [...rows(), ...pool.connections].find((each) => each.connection_id === key);
  if (row !== undefined || pool.connections.length >= pool.active) {
    lookup.stop();
    showRow(row);
    return;
  }
  lookup.ask(`/api/connections?${new URLSearchParams({ find: key, limit: 10 })}`, ({ answer, error }) => {
    if (error === null) showRow(answer.connections.find((each) => each.connection_id === key));
    else if (open === null) panel.body.replaceChildren(emptyState("This connection cannot be looked for now.", error.message));
  });
}

function showRow(row) {
  if (row === undefined) {
    open = null;
    panel.body.replaceChildren(emptyState("This connection has ended.", "It is no longer in the list of those that are open."));
    return;
  }
  if (open === null) {
    open = { state: pill(), list: facts(), since: timeElement(), sessions: h("span", {}) };
    open.close = h("button", { type: "button", class: "button button-danger", onclick: ({ currentTarget }) => close(open.row, currentTarget) }, "Close this connection");
    panel.body.replaceChildren(h("p", {}, open.state), open.list, h("p", {}, open.close));
  }
  open.row = row;
  const { word, tone } = doing(row);
  panel.title(row.name ?? row.address);
  setPill(open.state, word, tone);
  setTime(open.since, row.since);
  if (open.sessions.dataset.ids !== row.sessions.join(" ")) {
    open.sessions.dataset.ids = row.sessions.join(" ");
    open.sessions.replaceChildren(...row.sessions.flatMap((id, index) => (index > 0 ? [", ", sessionLink(id)] : [sessionLink(id)])), moreSessions(row));
  }
  showFacts(open.list, [
    ["Connection", row.connection_id],
    ["Address", row.address],
    ["Program", row.agent ?? "unknown"],
    ["Worker", hasSeveral() ? whereabouts(row.worker) : null],
    ["Opened", open.since],
    ["Sessions", row.sessions.length > 0 ? open.sessions : "none"],
    ["Messages in", `${count(row.received)}, ${number(rate(row, "received"))}/s`],
    ["Messages out", `${count(row.sent)}, ${number(rate(row, "sent"))}/s`],
    ["Waiting for it", `${bytes(row.queued_bytes)} of ${bytes(pool.outbox_limit)}`],
  ]);
}

const shell = new Shell(socket, { beat: { topic: "metrics", interval: 3 } });
shell.start();
socket.onTopic("metrics", ({ series }) => {
  course = series;
  if (pool !== null) showTiles();
});
socket.onTopic("store", (data) => {
  store = data;
  if (pool !== null) setText(byId("page-status"), sentence(pool, store));
});
socket.onTopic("connections", (data) => {
  // Of several workers only this one has been asked so far; all of them follow in a moment.
  if (data.pending) return;
  pool = data;
  note(rates.told, data.connections);
  look();
  showWorkers();
  setText(byId("page-status"), sentence(data, store));
  showTiles();
  showChoices();
  showPool();
  showSessionTable();
  showSums();
  showPanel();
});
byId("find").addEventListener("input", () => {
  if (pool === null) return;
  isChosen = true;
  look({ within: TYPING });
  showPool();
});
byId("pool-more").addEventListener("click", () => {
  table.limit += PAGE;
  showPool();
});
byId("worker").addEventListener("change", ({ target }) => {
  wanted.worker = target.value;
  isChosen = true;
  look();
  showPool();
});
byId("announce").addEventListener("click", () => announce(pool?.active ?? 0));
panel.start();
socket.start();
