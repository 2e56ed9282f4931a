import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { control, controlText } from "../../static/js/control-api.js";
import { failureText } from "../../static/js/models/responses.js";
import { TEXTS } from "../fakes/js/texts.js";

const { fetch } = globalThis;
afterEach(() => (globalThis.fetch = fetch));

const answering = (status, body, type = "application/json") => {
  globalThis.fetch = async () => new Response(body, { status, headers: { "Content-Type": type } });
};

test("a proxy's page or broken JSON in place of a response is a problem with a sentence", async () => {
  for (const [status, words] of [[200, /sign-in/], [403, /rejected the request/], [429, /no more requests/], [502, /got no response/], [504, /got no response/], [418, /responded with 418/]]) {
    for (const [body, type] of [["<html>", "text/html"], ["<html>", "application/json"], ["null", "application/json"], ["", "text/plain"], ["[]", "application/json"]]) {
      answering(status, body, type);
      await assert.rejects(control("PATCH", "/x", {}), { name: "ProblemError", status, code: "not_the_service", message: words });
      await assert.rejects(controlText("POST", "/x", "a: 1", "application/yaml"), { name: "ProblemError", message: /not known whether anything was changed/ });
    }
  }
});

test("a rejection without the service's members is not the service's", async () => {
  for (const body of ['{"code": 1, "detail": "x"}', '{"code": "", "detail": "x"}', '{"code": "x", "message": "y"}', '{"detail": "x"}']) {
    answering(503, body);
    await assert.rejects(control("POST", "/x", {}), { code: "not_the_service", message: /got no response/ });
  }
});

test("a failed GET changed nothing, and does not mention changes", async () => {
  answering(502, "<html>", "text/html");
  await assert.rejects(control("GET", "/x"), (error) => error.name === "ProblemError" && !/changed/.test(error.message));
});

test("the service's rejections keep their code and sentence, and its responses their data", async () => {
  answering(429, '{"code": "too_many_requests", "title": "t", "detail": "Wait 5 s."}', "application/problem+json");
  await assert.rejects(control("POST", "/x", {}), { code: "too_many_requests", status: 429, message: "Wait 5 s." });
  answering(200, '{"a": 1}');
  assert.deepEqual(await control("GET", "/x"), { a: 1 });
  globalThis.fetch = async () => new Response(null, { status: 204 });
  assert.equal(await control("DELETE", "/x"), null);
});

test("readers read in their language why a request failed, whether the service, a proxy or nothing responded", () => {
  const why = (language, failure) => failureText(failure, TEXTS[language]);
  assert.equal(why("en", { status: 503, code: "overloaded", detail: "Wait 5 s." }), "Wait 5 s.");
  assert.equal(why("es", { status: 503, code: "overloaded", detail: "Wait 5 s." }), "El servicio está sobrecargado. Vuelva a intentarlo pronto.");
  assert.equal(why("fr", { status: 0 }), "Le service est injoignable.");
  assert.match(why("de", { status: 504, code: "", detail: "A proxy …" }), /Proxy.* \(504\)/);
});
