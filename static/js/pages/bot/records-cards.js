/** What is stored of a bot: what happened, files to download, and what it saw when it failed. */

import { byId, h, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { showEvents } from "../../components/event-list.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Polling } from "../../components/polling.js";
import { Scope } from "../../components/scope.js";
import { isFinal } from "../../models/bots.js";

export class RecordsCards {
  #scope = new Scope();

  constructor(id, { send, lines, onLines }) {
  }

  start() {
  }

  stop() {
  }

  show(live) {
    for (const name of ["events", "files"]) fillPlaceholder(byId(`${name}-placeholder`), emptyState("Nothing yet."));
  }

  stopWaiting() {
  }
}
