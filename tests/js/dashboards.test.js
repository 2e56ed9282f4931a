// The queries of Grafana's dashboards, in the grammars of the editors of Prometheus and Grafana.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { parser as logql } from "@grafana/lezer-logql";
import { parser as promql } from "@prometheus-io/lezer-promql";

const folder = new URL("../../monitoring/grafana/dashboards/", import.meta.url);
const dashboards = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), "utf8")));

const queries = dashboards.flatMap((dashboard) =>
  dashboard.panels
    .flatMap((panel) => (panel.targets ?? []).map((target) => ({ panel, target })))
    .map(({ panel, target }) => ({
      where: `${dashboard.title}: ${panel.title}`,
      kind: panel.datasource.type,
      text: filled(target.expr),
    })),
);

/** Replaces Grafana's variables, which are no part of either language. */
function filled(text) {
  return text
    .replaceAll(/\$__(rate_interval|interval|range)/g, "5m")
    .replaceAll(/\$\{?\w+\}?/g, ".+");
}

/** Lists what does not parse, as the text beside it. */
function errors(parser, text) {
  const found = [];
  parser.parse(text).iterate({
    enter(node) {
      if (node.type.isError) found.push(text.slice(Math.max(0, node.from - 20), node.to + 20));
    },
  });
  return found;
}

test("queries to Prometheus parse", () => {
  const found = queries.filter(({ kind }) => kind === "prometheus");
  assert.ok(found.length > 100);
  for (const { where, text } of found) assert.deepEqual(errors(promql, text), [], `${where}: ${text}`);
});

test("queries to Loki parse", () => {
  const found = queries.filter(({ kind }) => kind === "loki");
  assert.ok(found.length > 5);
  for (const { where, text } of found) assert.deepEqual(errors(logql, text), [], `${where}: ${text}`);
});

test("what does not parse is found", () => {
  assert.notDeepEqual(errors(promql, "sum by (a (rate(x[5m]))"), []);
  assert.notDeepEqual(errors(logql, '{service="a"} | json | | x'), []);
});
