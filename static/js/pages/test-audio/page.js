/** Audio tests: a sound through two settings of the pipeline; what is recognised, measured, and stored of it. */

import { Player } from "../../components/audio/player.js";
import { runView } from "../../components/audio/run-view.js";
import { byId, h, setAttribute, setText } from "../../components/dom.js";
import { Notices } from "../../components/notices.js";
import { RetryNotice } from "../../components/retry-notice.js";
import { Scope } from "../../components/scope.js";
import { saveText } from "../../components/text-export.js";
import { toast } from "../../components/toasts.js";
import { ProblemError } from "../../control-api.js";
import { settingsChoices } from "../../models/settings-choices.js";
import { loadPipeline } from "../../pipeline-catalogue.js";
import { analyzeFile, compareFile, processFile } from "../../pipeline-api.js";
import { retrying } from "../../retrying.js";
import { Shell } from "../../shell.js";
import { testRun } from "../../test-run.js";
import { LanguageField } from "./language-field.js";
import { RunList } from "./run-list.js";
import { Sounds } from "./sounds.js";

export class TestAudioPage {
  #socket;
  #scope = new Scope();
  #shell;
  #notices = null;
  #retries = null;
  #player = new Player();
  #sounds = null;
  #language;
  #runs = null;
  /** {schema, presets, storage}, or null until it is loaded. */
  #pipeline = null;
  /** [{id, title, settings}]. */
  #choices = [];
  #run = null;
  #running = null;

  constructor(socket) {
    this.#socket = socket;
    this.#shell = new Shell(socket);
    this.#language = new LanguageField(socket);
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    scope.start(this.#shell);
    scope.start(this.#socket);
    this.#notices = new Notices(byId("notices"));
    scope.defer(() => this.#notices.clear());
    this.#retries = new RetryNotice(this.#notices);
    this.#sounds = new Sounds({ notices: this.#notices });
    this.#runs = new RunList({ notices: this.#notices, open: (run) => this.#open(run) });
    for (const part of [this.#player, this.#sounds, this.#language, this.#runs]) scope.start(part);
    scope.listen(this.#sounds, "change", () => this.#soundChanged());
    scope.listen(byId("run"), "click", () => this.#start());
    scope.listen(byId("cancel"), "click", () => this.#running?.abort());
    for (const side of ["a", "b"]) scope.listen(byId(`settings-${side}`), "change", () => this.#showState());
    // The controls page, in another tab, stores settings and presets.
    scope.listen(globalThis, "storage", () => this.#showChoices());
    scope.defer(() => this.#running?.abort());
    this.#show(null);
    this.#showState();
    this.#load();
  }

  stop() {
    this.#scope.close();
  }

  async #load() {
    this.#pipeline = await loadPipeline({ scope: this.#scope, notices: this.#notices, more: "The presets come from the service." });
    if (this.#pipeline === null) return;
    this.#showChoices();
    byId("settings-b").value = this.#choices.some(({ id }) => id === "browser") ? "browser" : "preset:default";
    this.#shell.figuresReceived();
    this.#showState();
  }

  /** Offer the settings there are; those chosen stay, or the first is. */
  #showChoices() {
    if (this.#pipeline === null) return;
    const { schema, presets, storage } = this.#pipeline;
    this.#choices = settingsChoices(schema, presets, storage, new Date());
    for (const side of ["a", "b"]) {
      const field = byId(`settings-${side}`);
      const before = field.value;
      field.replaceChildren(...this.#choices.map(({ id, title }) => h("option", { value: id }, title)));
      field.value = this.#choices.some(({ id }) => id === before) ? before : this.#choices[0].id;
    }
    this.#showState();
  }

  #soundChanged() {
    const { chosen } = this.#sounds;
    this.#play(chosen === null ? [] : [{ key: "original", title: "Original", blob: chosen.blob }]);
    this.#showState();
  }

  async #play(versions) {
    const failed = await this.#player.open(versions);
    if (failed.length === 0) this.#notices.remove("player");
    else this.#notices.show("player", { word: "not played", text: `This browser cannot play ${failed.map(({ title, why }) => `${title} (${why})`).join(" and ")}.`, more: "The service may read it all the same: run it." });
  }

  async #start() {
    const sound = this.#sounds.chosen;
    if (sound === null || byId("run").disabled) return;
    const [a, b] = ["a", "b"].map((side) => this.#choices.find(({ id }) => id === byId(`settings-${side}`).value)).map(({ title, settings }) => ({ title, settings }));
    await this.#work(async (service, progress) => {
      const run = await testRun({ sound, sides: { a, b }, reference: byId("reference").value.trim() || null, language: this.#language.value }, { service, progress });
      this.#open(run);
      if (await this.#runs.add(run)) this.#sounds.stored(sound.blob);
      byId("result").scrollIntoView({ block: "nearest" });
    }, () => this.#start());
  }

  async #measureStages() {
    const run = this.#run;
    await this.#work(async (service, progress) => {
      progress("Each stage of B is measured.");
      const measured = { ...run, stages: await service.analyze({ blob: run.files.original, name: run.name }, run.sides.b.settings) };
      if (this.#run === run) this.#show(measured);
      await this.#runs.add(measured);
    }, () => this.#measureStages());
  }

  /** Do `work(service, progress)`, one at a time; it can be cancelled, and `again()` repeats it after a failure. */
  async #work(work, again) {
    if (this.#running !== null) return;
    const running = new AbortController();
    const { signal } = running;
    this.#running = running;
    this.#notices.remove("run");
    let step = "";
    const progress = (text) => this.#progress((step = text));
    const wait = async (error) => {
      this.#progress("The service is busy. The run waits for its turn.");
      await this.#retries.wait(error, signal);
      this.#progress(step);
    };
    const service = Object.fromEntries(Object.entries({ process: processFile, compare: compareFile, analyze: analyzeFile }).map(([name, send]) => [name, (file, options) => retrying(() => send(file, options, signal), { wait })]));
    try {
      await work(service, progress);
    } catch (error) {
      this.#failed(error, again);
    } finally {
      this.#running = null;
      this.#progress("");
    }
  }

  #failed(error, again) {
    if (error.name === "AbortError") {
      if (this.#scope.isOpen) toast("The run was cancelled. Nothing was stored.");
      return;
    }
    if (!(error instanceof ProblemError)) throw error;
    const faults = (error.problem.faults ?? []).map(({ path, expected }) => `${path}: expected ${expected}`).join("; ");
    this.#notices.show("run", { word: "not run", tone: "bad", text: error.message, more: faults, actions: [{ label: "Run again", run: again }] });
    byId("notices").scrollIntoView({ block: "nearest" });
  }

  /** Show a run, and play its versions. */
  #open(run) {
    this.#show(run);
    const { files, sides } = run;
    this.#play([
      { key: "original", title: "Original", blob: files.original },
      { key: "a", title: `A: ${sides.a.title}`, blob: files.a },
      { key: "b", title: `B: ${sides.b.title}`, blob: files.b },
    ]);
  }

  #show(run) {
    this.#run = run;
    const titles = new Map((this.#pipeline?.schema.stages ?? []).map(({ id, title }) => [id, title]));
    byId("result-body").replaceChildren(...runView(run, titles, { stages: () => this.#measureStages(), download: (key) => this.#download(run, key), again: () => this.#again(run) }));
  }

  /** Choose the sound of a run, what is spoken in it, and its language. */
  #again({ name, files, reference, language }) {
    this.#sounds.add({ name, blob: files.original, isRecorded: false });
    byId("reference").value = reference ?? "";
    this.#language.choose(language);
    byId("settings-a").focus();
  }

  #download({ name, files }, key) {
    const stem = name.replace(/\.[^.]*$/, "");
    saveText(files[key], { name: key === "original" ? name : `${stem}-${key}.wav`, type: files[key].type });
  }

  #progress(text) {
    setText(byId("progress"), text);
    this.#showState();
  }

  #showState() {
    const isRunning = this.#running !== null;
    const { chosen } = this.#sounds;
    const isLoaded = this.#choices.length > 0;
    byId("run").disabled = isRunning || chosen === null || !isLoaded;
    setAttribute(byId("run"), "aria-busy", isRunning ? "true" : null);
    byId("cancel").hidden = !isRunning;
    setText(byId("settings-note"), isLoaded && byId("settings-a").value === byId("settings-b").value ? "A and B are the same" : "");
    setText(byId("page-status"), statusWords(isRunning, chosen, isLoaded));
  }
}

function statusWords(isRunning, chosen, isLoaded) {
  if (isRunning) return `${chosen?.name ?? "The sound"} runs through the pipeline.`;
  if (chosen === null) return "No sound is chosen. Record one, or choose a file.";
  return isLoaded ? `${chosen.name} is ready to run.` : `${chosen.name} is chosen. The settings are not loaded yet.`;
}
