/** The card of limits that all clients share: how much of each is used. */

import { byId, h } from "../../components/dom.js";
import { pill, setPill } from "../../components/pill.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Table } from "../../components/table.js";
import { limitText } from "../../models/connections.js";

const used = (row) => row.taken / row.limit;

export class LimitsCard {
  #table = new Table({
    caption: "Limits that all clients share",
    key: (row) => row.name,
    columns: [
      { label: "What", sort: (row) => limitText(row).word, text: (row) => limitText(row).word },
      { label: "Used", number: true, keep: true, sort: used, text: (row) => limitText(row).taken },
      { label: "Of", number: true, keep: true, sort: (row) => row.limit, text: (row) => limitText(row).limit },
      {
        label: "State",
        keep: true,
        sort: used,
        create: () => pill(),
        update: (cell, row) => {
          const { state, tone } = limitText(row);
          setPill(cell, state, tone);
        },
      },
      { label: "Setting", sort: (row) => row.setting, create: (row) => h("code", {}, row.setting), update: () => {} },
    ],
  });

  /** `limits`: [{name, taken, limit, setting}]; without any the card is hidden. */
  show(limits) {
    byId("sums").hidden = limits.length === 0;
    fillPlaceholder(byId("sums-placeholder"), this.#table.element);
    this.#table.show(limits);
  }
}
