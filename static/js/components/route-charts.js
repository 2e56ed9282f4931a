/** The two charts of requests: how many, and how long they take. */

import { joined, latency, number } from "../models/number-format.js";
import { Chart } from "./chart.js";
import { byId } from "./dom.js";

export const ratesChart = (id) =>
  new Chart(byId(id), {
    series: [
      { label: "requests", colour: "accent" },
      { label: "errors", colour: "bad", dash: [4, 3] },
    ],
    format: (value) => joined({ value: number(value), unit: value === null ? "" : "/s" }),
  });

export const latencyChart = (id) =>
  new Chart(byId(id), {
    series: [
      { label: "p50", colour: "muted", dash: [2, 3], fill: false },
      { label: "p95", colour: "accent", fill: true },
      { label: "p99", colour: "text", dash: [6, 4] },
    ],
    format: (value) => joined(latency(value)),
  });
