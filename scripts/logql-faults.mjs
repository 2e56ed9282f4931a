// Prints where queries do not parse: node scripts/logql-faults.mjs < a JSON list of queries in LogQL.

import { readFileSync } from "node:fs";

import { parser } from "@grafana/lezer-logql";

for (const query of JSON.parse(readFileSync(0, "utf8"))) {
  parser.parse(query).iterate({
    enter(node) {
      if (!node.type.isError) return;
      console.log(`does not parse near ${query.slice(Math.max(0, node.from - 20), node.to + 20)}`);
      process.exitCode = 1;
    },
  });
}
