/** Requests to the control API: what is said where no response of the service arrives. */

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { control } from "../../static/js/control-api.js";

const fetched = globalThis.fetch;
afterEach(() => {
  globalThis.fetch = fetched;
});

const refusal = async (method, respond) => {
  globalThis.fetch = respond;
  return control(method, "/api/gateway/control", method === "GET" ? undefined : {}).then(
    () => assert.fail("it was taken for a response"),
    (error) => error,
  );
};

test("a change whose connection fails may have been made", async () => {
  const lost = () => Promise.reject(new TypeError("Failed to fetch"));
  const changed = await refusal("POST", lost);
  assert.deepEqual([changed.code, changed.message], ["unreachable", "The service cannot be reached. It is not known whether anything was changed."]);
  assert.equal((await refusal("GET", lost)).message, "The service cannot be reached.");
});

test("what is not the service's is named as that", async () => {
  for (const [status, body] of [[200, "<html>"], [200, "null"], [500, "boom"], [502, ""]]) {
    const error = await refusal("POST", async () => new Response(body, { status }));
    assert.deepEqual([error.code, error.status], ["not_the_service", status]);
    assert.match(error.message, /It is not known whether anything was changed\.$/);
  }
});
