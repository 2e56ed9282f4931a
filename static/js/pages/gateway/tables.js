/** The tables of the Gateway page, apart from that of the instances. */

import { controlServiceBreaker } from "../../components/gateway-controls.js";
import { h, setAttribute, setText } from "../../components/dom.js";
import { pill, setPill } from "../../components/pill.js";
import { Table } from "../../components/table.js";
import { serviceBreaker } from "../../models/gateway-controls.js";
import { count, joined, latency, number, percent } from "../../models/number-format.js";

const text = (label, value, more = {}) => ({ label, sort: value, text: value, ...more });
const figure = (label, value, format = count, more = {}) => ({ label, number: true, sort: value, text: (row) => format(value(row)), ...more });
const time = (label, value) => figure(label, value, (each) => joined(latency(each)));

/** A count that is marked where it is not zero. */
const fault = (label, value, more = {}) => ({
  label,
  number: true,
  sort: value,
  update: (cell, row) => {
    setText(cell, count(value(row)));
    cell.classList.toggle("is-bad", value(row) > 0);
  },
  ...more,
});

/** `href(key)`, `onOpen(key)`: a route's panel. */
export const routesTable = ({ href, onOpen }) =>
  new Table({
    caption: "Routes",
    key: (row) => row.key,
    href: (row) => href(row.key),
    onOpen,
    words: (row) => [row.name, row.target],
    columns: [
      {
        label: "Route",
        sort: (row) => row.name,
        create: (row) => h("span", {}, h("a", { class: "row-link", dir: "auto", href: href(row.key) }), h("span", { class: "cell-sub", dir: "auto" })),
        update: (cell, row) => {
          setText(cell.firstElementChild, row.name);
          setText(cell.lastElementChild, row.target);
          cell.classList.toggle("muted", row.isOwn);
        },
      },
      figure("Requests, 1 min", (row) => row.requests_last_minute, count, { keep: true }),
      figure("Per second, 1 min", (row) => row.requests_last_minute / 60, number, { extra: true }),
      fault("Errors, 1 min", (row) => row.errors_last_minute, { keep: true }),
      time("p50, 1 min", (row) => row.p50_ms),
      { ...time("p95, 1 min", (row) => row.p95_ms), keep: true },
      time("p99, 1 min", (row) => row.p99_ms),
    ],
  });

/** `rows()`: the rows as they are now, for what the buttons do. */
export const servicesTable = (rows) =>
  new Table({
    caption: "Services",
    key: (row) => row.key,
    words: (row) => [row.service],
    columns: [
      text("Service", (row) => row.service),
      text("Chosen by", (row) => row.balancer, { extra: true }),
      { label: "Breaker of the service", keep: true, tagged: true, text: (row) => row.breaker },
      { label: "Ejected", keep: true, tagged: true, text: (row) => row.ejected },
      { label: "Retries left", keep: true, tagged: true, text: (row) => row.retries },
      figure("Retries refused, all", (row) => row.refused),
      {
        label: "",
        name: "Open or close the breaker",
        keep: true,
        create: (row) => h("button", { type: "button", class: "button button-small", onclick: (event) => controlServiceBreaker(event.currentTarget, rows().find((each) => each.key === row.key)) }),
        update: (cell, row) => {
          cell.hidden = !row.hasBreaker;
          const { label } = serviceBreaker(row);
          setText(cell, label);
          setAttribute(cell, "aria-label", `${label} of ${row.service}`);
        },
      },
    ],
  });

export const queuesTable = () =>
  new Table({
    caption: "Requests that wait for a place, by class",
    key: (row) => row.key,
    words: (row) => [row.service, row.priority],
    columns: [
      text("Service", (row) => row.service),
      text("Class", (row) => row.priority, { keep: true }),
      {
        label: "Waiting now",
        keep: true,
        full: true,
        tagged: true,
        sort: (row) => row.share,
        create: (row) => h("span", { class: "fill" }, h("span", {}), h("progress", { max: 1, "aria-label": `${row.service}, ${row.priority}: how full` })),
        update: (cell, row) => {
          setText(cell.firstElementChild, row.isFull ? `${row.waitingText}, full` : row.waitingText);
          setAttribute(cell.lastElementChild, "value", row.share);
          setAttribute(cell.lastElementChild, "data-tone", row.tone || null);
        },
      },
      { label: "Waits at most", keep: true, tagged: true, sort: (row) => row.deadline, update: warned((row) => row.deadlineText, (row) => row.is_overloaded) },
      figure("Had to wait, all", (row) => row.queued),
      figure("Waited too long, all", (row) => row.shed_deadline, count, { keep: true }),
      figure("Found it full, all", (row) => row.shed_queue_full, count, { keep: true }),
    ],
  });

const warned = (value, isWarning) => (cell, row) => {
  setText(cell, value(row));
  cell.classList.toggle("is-warn", isWarning(row));
};

export const limitsTable = () =>
  new Table({
    caption: "Rate limits",
    key: (row) => row.key,
    words: (row) => [row.name, row.route],
    columns: [
      text("Name", (row) => row.name),
      text("Limit", (row) => row.limitText, { keep: true }),
      text("Of", (row) => row.perText, { keep: true, tagged: true }),
      text("On", (row) => row.routeText, { tagged: true }),
      figure("Let through, all", (row) => row.allowed),
      figure("Refused, all", (row) => row.refused, count, { keep: true }),
      figure("Refused, share of all", (row) => row.share, percent, { extra: true }),
    ],
  });

export const discoveryTable = () =>
  new Table({
    caption: "Where instances come from",
    key: (row) => row.key,
    words: (row) => [row.service, row.name],
    columns: [
      {
        label: "Service",
        sort: (row) => row.service,
        create: () => h("span", {}, h("bdi", { dir: "auto" }), h("span", { class: "cell-sub", dir: "auto" })),
        update: (cell, row) => {
          setText(cell.firstElementChild, row.service);
          setText(cell.lastElementChild, row.stateText);
        },
      },
      { label: "State", keep: true, sort: (row) => row.failures, create: () => pill(), update: (cell, row) => setPill(cell, row.stateWord, row.tone) },
      text("Found by", (row) => row.sourceText, { keep: true, tagged: true }),
      { label: "Instances", keep: true, tagged: true, text: (row) => row.foundText },
      { label: "Last good answer", keep: true, tagged: true, sort: (row) => row.age, update: warned((row) => row.ageText, (row) => row.isFailing) },
      { label: "Next look", text: (row) => row.nextText },
    ],
  });

export const leasesTable = () =>
  new Table({
    caption: "Registered instances, the lease that ends first at the top",
    key: (row) => row.key,
    words: (row) => [row.instance, row.service, row.url],
    columns: [
      text("Registered instance", (row) => row.instance),
      text("Service", (row) => row.service, { keep: true }),
      text("Address", (row) => row.url, { keep: true }),
      { label: "Lease ends in, unless renewed", keep: true, tagged: true, sort: (row) => row.seconds_left, text: (row) => row.leftText },
    ],
  });

export const drainingTable = () =>
  new Table({
    caption: "Instances that have left and end their requests",
    key: (row) => row.key,
    words: (row) => [row.url, row.service],
    columns: [
      text("Instance that has left", (row) => row.url),
      text("Service", (row) => row.service, { keep: true }),
      figure("In flight", (row) => row.in_flight, count, { keep: true }),
      { label: "They are ended in", keep: true, tagged: true, sort: (row) => row.seconds_left, text: (row) => row.leftText },
    ],
  });
