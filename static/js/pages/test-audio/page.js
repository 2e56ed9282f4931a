/** Audio tests: a sound through two settings of the pipeline; what is recognised, measured, and stored of it. */

import { Player } from "../../components/audio/player.js";
import { runView } from "../../components/audio/run-view.js";
import { byId, h, setAttribute, setText } from "../../components/dom.js";
import { Notices } from "../../components/notices.js";
import { Scope } from "../../components/scope.js";
import { saveText } from "../../components/text-export.js";
import { toast } from "../../components/toasts.js";
import { ProblemError } from "../../control-api.js";
import { settingsChoices } from "../../models/settings-choices.js";
import { loadPipeline } from "../../pipeline-catalogue.js";
import { analyzeFile, compareFile, processFile } from "../../pipeline-api.js";
import { Shell } from "../../shell.js";
import { RunList } from "./run-list.js";
import { Sounds } from "./sounds.js";

export class TestAudioPage {
  #socket;
  #scope = new Scope();
  #shell;
  #notices = null;
  #player = new Player();
  #sounds = null;
  #runs = null;
  #titles = new Map();
  /** [{id, title, settings}]. */
  #choices = [];
  #run = null;
  #running = null;

  constructor(socket) {
    this.#socket = socket;
    this.#shell = new Shell(socket);
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#shell);
    this.#scope.start(this.#socket);
    this.#notices = new Notices(byId("notices"));
    this.#sounds = new Sounds({ notices: this.#notices });
    this.#runs = new RunList({ notices: this.#notices, open: (run) => this.#show(run) });
    for (const part of [this.#player, this.#sounds, this.#runs]) this.#scope.start(part);
    this.#scope.listen(this.#sounds, "change", () => this.#soundChanged());
    this.#scope.listen(byId("run"), "click", () => this.#start());
    this.#scope.listen(byId("cancel"), "click", () => this.#running?.abort());
    this.#scope.defer(() => this.#running?.abort());
    this.#show(null);
    this.#showState();
    this.#load();
  }

  stop() {
    this.#scope.close();
  }

  async #load() {
    const pipeline = await loadPipeline({ scope: this.#scope, notices: this.#notices, more: "The presets come from the service." });
    if (pipeline === null) return;
    const { schema, presets, storage } = pipeline;
    this.#titles = new Map(schema.stages.map(({ id, title }) => [id, title]));
    this.#choices = settingsChoices(schema, presets, storage, new Date());
    const options = () => this.#choices.map(({ id, title }) => h("option", { value: id }, title));
    byId("settings-a").replaceChildren(...options());
    byId("settings-b").replaceChildren(...options());
    byId("settings-b").value = this.#choices.some(({ id }) => id === "browser") ? "browser" : "preset:default";
    this.#shell.figuresReceived();
    this.#showState();
  }

  #soundChanged() {
    const { chosen } = this.#sounds;
    if (chosen !== null) this.#play([{ key: "original", title: "Original", blob: chosen.blob }]);
    this.#showState();
  }

  async #play(versions) {
    const failed = await this.#player.open(versions);
    if (failed.length === 0) this.#notices.remove("player");
    else this.#notices.show("player", { word: "not played", text: `${failed.join(" and ")} cannot be played here: this browser does not have the format, or the file is larger than 64 MB.`, more: "It can be run and downloaded all the same." });
  }

  async #start() {
    const sound = this.#sounds.chosen;
    if (sound === null || this.#running !== null) return;
    const [a, b] = ["a", "b"].map((side) => this.#choices.find(({ id }) => id === byId(`settings-${side}`).value));
    const reference = byId("reference").value.trim() || null;
    const language = byId("language").value.trim() || "auto";
    const running = new AbortController();
    this.#running = running;
    this.#notices.remove("run");
    try {
      const blobs = {};
      for (const [side, { settings, title }] of Object.entries({ a, b })) {
        this.#progress(`${title} is run…`);
        blobs[side] = await processFile(sound, settings, running.signal);
      }
      this.#progress("Both are measured and transcribed…");
      const comparison = await compareFile(sound, { a: a.settings, b: b.settings, reference, language }, running.signal);
      const run = {
        id: `${Date.now()}-${Math.random().toString(36).slice(2, 8)}`,
        at: Date.now(),
        name: sound.name,
        sides: { a: { title: a.title, settings: a.settings }, b: { title: b.title, settings: b.settings } },
        comparison,
        stages: null,
        reference,
        language,
        files: { original: sound.blob, ...blobs },
      };
      this.#show(run);
      await this.#runs.add(run);
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#running = null;
      this.#progress("");
    }
  }

  async #measureStages() {
    const run = this.#run;
    if (this.#running !== null) return;
    this.#running = new AbortController();
    this.#notices.remove("run");
    this.#progress("Each stage of B is measured…");
    try {
      const stages = await analyzeFile({ blob: run.files.original, name: run.name }, run.sides.b.settings, this.#running.signal);
      const measured = { ...run, stages };
      if (this.#run === run) this.#showResult(measured);
      await this.#runs.add(measured);
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#running = null;
      this.#progress("");
    }
  }

  #failed(error) {
    if (error.name === "AbortError") {
      toast("The run was cancelled.");
      return;
    }
    if (!(error instanceof ProblemError)) throw error;
    const faults = (error.problem.faults ?? []).map(({ path, expected }) => `${path}: expected ${expected}`).join("; ");
    this.#notices.show("run", { word: "not run", tone: "bad", text: error.message, more: faults });
  }

  #show(run) {
    this.#showResult(run);
    if (run === null) return;
    const { files, sides } = run;
    this.#play([
      { key: "original", title: "Original", blob: files.original },
      { key: "a", title: `A: ${sides.a.title}`, blob: files.a },
      { key: "b", title: `B: ${sides.b.title}`, blob: files.b },
    ]);
  }

  #showResult(run) {
    this.#run = run;
    byId("result-body").replaceChildren(...runView(run, this.#titles, { stages: () => this.#measureStages(), download: (key) => this.#download(run, key) }));
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
    byId("run").disabled = isRunning || chosen === null || this.#choices.length === 0;
    setAttribute(byId("run"), "aria-busy", isRunning ? "true" : null);
    byId("cancel").hidden = !isRunning;
    setText(byId("page-status"), isRunning ? `${chosen?.name ?? "The sound"} runs through the pipeline.` : chosen === null ? "No sound is chosen. Record one, or choose a file." : `${chosen.name} is ready to run.`);
  }
}
