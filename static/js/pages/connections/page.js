/** Connections: how many are open, by activity; sessions; limits; which clients are behind, and by how much. */

import { openAnnouncementDialog } from "../../components/announcement-dialog.js";
import { showBanners } from "../../components/banners.js";
import { byId, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { tilesById } from "../../components/tile.js";
import { control } from "../../control-api.js";
import { connectionTiles, limitProblems, loweredLimitProblems, sentence } from "../../models/connections.js";
import { silentWorkerProblems } from "../../models/workers.js";
import { Shell } from "../../shell.js";
import { ConnectionList } from "./connection-list.js";
import { ConnectionPanel } from "./connection-panel.js";
import { LimitsCard } from "./limits-card.js";
import { SessionsCard } from "./sessions-card.js";

export class ConnectionsPage {
  #socket;
  #scope = new Scope();
  #shell;
  #tiles = tilesById(["open", "sessions", "messages", "queued"]);
  #list;
  #panel;
  #sessions = new SessionsCard();
  #limits = new LimitsCard();
  /** The last states of the topics `connections` and `store`, and the series of `metrics`; null until known. */
  #state = null;
  #store = null;
  #series = null;
  /** When a worker that does not reply was first noticed, in seconds since the epoch; null: all reply. */
  #silentSince = null;

  /** `get(path)` resolves to a response of the control API, or rejects. */
  constructor(socket, { get = (path) => control("GET", path) } = {}) {
    this.#socket = socket;
    this.#shell = new Shell(socket, { beat: { topic: "metrics", interval: 3 } });
    this.#panel = new ConnectionPanel(byId("connection"), { socket, get, list: () => this.#list });
    this.#list = new ConnectionList({ get, href: (key) => this.#panel.href(key), onOpen: (key) => this.#panel.open(key) });
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#shell);
    this.#scope.defer(this.#socket.onTopic("metrics", ({ series }) => this.#showSeries(series)));
    this.#scope.defer(this.#socket.onTopic("store", (store) => this.#showStore(store)));
    this.#scope.defer(this.#socket.onTopic("connections", (state) => this.#show(state)));
    this.#scope.listen(byId("announce"), "click", this.#announce);
    this.#scope.start(this.#list);
    this.#scope.start(this.#panel);
    this.#scope.start(this.#socket);
  }

  stop() {
    this.#scope.close();
  }

  #announce = () => openAnnouncementDialog(this.#state?.active ?? 0);

  #showSeries(series) {
    this.#series = series;
    this.#showTiles();
  }

  #showStore(store) {
    this.#store = store;
    this.#showSentence();
  }

  #show(state) {
    // Of several workers only this one has replied so far; the complete state follows in a moment.
    if (state.pending) return;
    this.#state = state;
    this.#list.update(state);
    this.#showProblems();
    this.#showSentence();
    this.#showTiles();
    this.#list.show();
    this.#sessions.show(state);
    this.#limits.show(state.sums);
    this.#panel.show(state);
  }

  #showProblems() {
    const { workers } = this.#state;
    const isSilent = workers.some(({ answered }) => !answered);
    this.#silentSince = isSilent ? (this.#silentSince ?? this.#socket.serverNow / 1000) : null;
    showBanners(byId("problems"), [...silentWorkerProblems(workers, "connections", this.#silentSince), ...limitProblems(this.#state), ...loweredLimitProblems(this.#state)]);
  }

  #showSentence() {
    if (this.#state !== null) setText(byId("page-status"), sentence(this.#state, this.#store));
  }

  #showTiles() {
    if (this.#state === null) return;
    for (const [name, tile] of Object.entries(connectionTiles(this.#state, this.#series))) this.#tiles[name].show(tile);
  }
}
