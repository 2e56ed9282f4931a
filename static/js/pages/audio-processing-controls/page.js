/** Audio controls: the pipeline as a flow with live levels, its parameters, presets, and the sound that runs through it. */

import { PipelineNode } from "../../audio/pipeline-node.js";
import { FrameLoop } from "../../components/audio/frame-loop.js";
import { showFaults, SettingsBar } from "../../components/audio/settings-bar.js";
import { SessionTarget } from "../../components/audio/session-target.js";
import { SoundCard } from "../../components/audio/sound-card.js";
import { StageDetail } from "../../components/audio/stage-detail.js";
import { StageFlow } from "../../components/audio/stage-flow.js";
import { byId, endLoading, h, setText } from "../../components/dom.js";
import { Notices } from "../../components/notices.js";
import { Scope } from "../../components/scope.js";
import { toast } from "../../components/toasts.js";
import { isEqual, parseSettings } from "../../models/pipeline-settings.js";
import { statusWords } from "../../models/pipeline-text.js";
import { loadPipeline } from "../../pipeline-catalogue.js";
import { Shell } from "../../shell.js";
import { offer } from "./page-api.js";
import { Slots } from "./slots.js";

export class AudioControlsPage {
  #socket;
  #scope = new Scope();
  #shell;
  #notices = null;
  #schema = null;
  /** [{name, title, text, settings}]. */
  #presets = [];
  #slots = null;
  #node = null;
  #sound = null;
  #flow = null;
  #detail = null;
  #bar = null;
  #sessions = null;
  #selected = "noise";
  #faults = [];
  #report = null;
  #loop = new FrameLoop((now) => this.#draw(now / 1000));

  constructor(socket) {
    this.#socket = socket;
    this.#shell = new Shell(socket);
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#shell);
    this.#scope.start(this.#socket);
    this.#notices = new Notices(byId("notices"));
    this.#load();
  }

  stop() {
    this.#scope.close();
  }

  async #load() {
    const pipeline = await loadPipeline({ scope: this.#scope, notices: this.#notices, more: "The parameters come from the service." });
    if (pipeline === null) return;
    this.#schema = pipeline.schema;
    this.#presets = pipeline.presets.map((preset) => ({ ...preset, settings: this.#schema.decode(preset.settings).settings }));
    this.#build(pipeline.storage);
  }

  #build(storage) {
    this.#slots = new Slots(this.#schema, storage, this.#presets[0].settings);
    const faults = this.#slots.load();
    if (faults.length > 0) this.#notices.show("stored", { word: "not used", text: "The settings stored in this browser are not valid.", more: faults.map(({ path, expected }) => `${path}: expected ${expected}`).join("; ") });
    this.#node = new PipelineNode(this.#slots.settings);
    this.#flow = new StageFlow(this.#schema.stages, { select: (stage) => this.#select(stage), toggle: (stage) => this.#apply(this.#schema.toggled(this.#settings, stage)) });
    this.#detail = new StageDetail(this.#schema, {
      change: (path, value) => this.#change(path, value),
      settle: () => this.#slots.history.settle(),
      pause: (stage) => this.#apply(this.#schema.paused(this.#settings, this.#settings.pausedAt === stage ? null : stage)),
      reset: (stage) => this.#resetStage(stage),
    });
    endLoading(byId("pipeline"));
    byId("pipeline").replaceChildren(this.#flow.element, this.#detail.element);
    byId("listen-stage").replaceChildren(...this.#schema.stages.map(({ id, title }) => h("option", { value: id }, title)));
    byId("listen-stage").value = "final";
    this.#bar = new SettingsBar(this.#actions);
    this.#sound = new SoundCard(this.#node, { settings: () => this.#document(), notices: this.#notices, texts: async () => (await import("../../page-texts.js")).pageTexts("en") });
    this.#sessions = new SessionTarget({ settings: () => (this.#faults.length > 0 ? null : this.#document()) });
    for (const part of [this.#bar, this.#sound, this.#sessions]) this.#scope.start(part);
    this.#scope.listen(this.#node, "report", ({ detail }) => (this.#report = detail));
    this.#scope.listen(this.#sound, "running", () => this.#runningChanged());
    this.#scope.listen(byId("fault-list"), "click", (event) => this.#goToFault(event));
    this.#scope.defer(
      offer(window, () => ({ schema: this.#schema, settings: this.#settings }), {
        change: (path, value) => this.#change(path, value, null),
        toggle: (stage) => this.#apply(this.#schema.toggled(this.#settings, stage)),
        preset: (name) => this.#usePreset(name),
      }),
    );
    this.#detail.open(this.#selected);
    this.#show();
    this.#shell.figuresReceived();
    this.#scope.start(this.#loop);
  }

  get #settings() {
    return this.#slots.settings;
  }

  #document() {
    return this.#schema.encode(this.#settings, new Date());
  }

  #actions = {
    preset: (name) => this.#usePreset(name),
    own: (name) => this.#apply(this.#slots.presets.find((preset) => preset.name === name).settings),
    savePreset: (name) => {
      toast(this.#slots.savePreset(name, new Date()) ? `${name} is stored in this browser.` : "This browser stores nothing: the preset was not saved.", { tone: this.#slots.presets.some((each) => each.name === name) ? "" : "bad" });
      this.#show();
    },
    deletePreset: (name) => {
      const { settings } = this.#slots.presets.find((preset) => preset.name === name);
      this.#slots.deletePreset(name, new Date());
      this.#show();
      toast(`${name} is deleted.`, { action: { label: "Undo", run: () => (this.#apply(settings), this.#actions.savePreset(name)) } });
    },
    undo: () => this.#move(() => this.#slots.history.undo()),
    redo: () => this.#move(() => this.#slots.history.redo()),
    use: (slot) => this.#move(() => this.#slots.use(slot)),
    copy: () => {
      const { active } = this.#slots;
      this.#slots.copyToOther();
      toast(`${active === "A" ? "B" : "A"} has the settings of ${active} now.`);
    },
    save: () => {
      if (this.#faults.length > 0) toast("Not saved: resolve the faults first.", { tone: "bad" });
      else if (this.#slots.save(new Date())) toast("Saved in this browser: this page opens with these settings.");
      else toast("This browser stores nothing: the settings were not saved. Export them instead.", { tone: "bad" });
    },
    export: async () => {
      const { saveText } = await import("../../components/text-export.js");
      saveText(JSON.stringify(this.#document(), null, 2), { name: "audio-processing.json", type: "application/json" });
    },
    import: (file) => this.#import(file),
  };

  async #import(file) {
    const { settings, faults } = parseSettings(this.#schema, await file.text(), { sampleRate: this.#node.sampleRate });
    if (settings === null) {
      showFaults(file.name, faults);
      return;
    }
    this.#apply(settings);
    toast(`${file.name} is imported.`, { action: { label: "Undo", run: this.#actions.undo } });
  }

  /** Returns whether there is such a preset. */
  #usePreset(name) {
    const settings = this.#presets.find((preset) => preset.name === name)?.settings;
    if (settings === undefined) return false;
    this.#apply({ ...settings, pausedAt: this.#settings.pausedAt });
    return true;
  }

  #resetStage(stage) {
    const { group } = this.#schema.stage(stage);
    this.#apply({ ...this.#settings, parameters: { ...this.#settings.parameters, [group]: this.#schema.initial.parameters[group] } });
  }

  #change(path, value, key = path) {
    const settings = this.#schema.updated(this.#settings, path, value);
    if (settings !== null) this.#apply(settings, key);
  }

  #apply(settings, key = null) {
    if (isEqual(settings, this.#settings)) return;
    this.#slots.history.push(settings, key);
    this.#changed();
  }

  #move(step) {
    step();
    this.#changed();
  }

  #changed() {
    this.#show();
    if (this.#faults.length > 0) return;
    this.#node.change(this.#settings);
    this.#sessions.changed();
  }

  #select(stage) {
    this.#selected = stage;
    this.#detail.open(stage);
    this.#show();
  }

  #show() {
    const settings = this.#settings;
    const rate = this.#node.sampleRate;
    this.#faults = this.#schema.faults(settings, { sampleRate: rate });
    const faulty = new Set(this.#faults.map(({ path }) => this.#schema.stageOf(path.split(".")[0])));
    this.#flow.show(settings, { selected: this.#selected, faulty });
    this.#detail.show(settings, this.#faults, rate);
    const { history, active, presets: own } = this.#slots;
    this.#bar.show({ presets: this.#presets, own, current: this.#currentPreset(own), slot: active, canUndo: history.canUndo, canRedo: history.canRedo });
    this.#showFaults();
    const changeable = this.#schema.stages.filter(({ canBeOff }) => canBeOff);
    setText(
      byId("page-status"),
      statusWords({
        isSupported: this.#node.isSupported,
        running: this.#sound?.running ?? null,
        rate,
        enabled: changeable.filter(({ id }) => settings.enabledStages.includes(id)).length,
        changeable: changeable.length,
        pausedTitle: settings.pausedAt === null ? null : this.#schema.stage(settings.pausedAt).title,
        faults: this.#faults.length,
      }),
    );
  }

  #currentPreset(own) {
    const present = { ...this.#settings, pausedAt: null };
    const preset = this.#presets.find(({ settings }) => isEqual(settings, present))?.name;
    if (preset !== undefined) return preset;
    const mine = own.find(({ settings }) => isEqual(settings, this.#settings))?.name;
    return mine === undefined ? "" : `own:${mine}`;
  }

  #showFaults() {
    byId("faults").hidden = this.#faults.length === 0;
    byId("fault-list").replaceChildren(
      ...this.#faults.map(({ path, expected }) => h("li", {}, h("button", { type: "button", class: "button button-plain button-small mono", "data-path": path }, path), ` expected ${expected}`)),
    );
  }

  #goToFault({ target }) {
    const path = target.closest("button")?.dataset.path;
    if (path === undefined) return;
    this.#select(this.#schema.stageOf(path.split(".")[0]));
    this.#detail.focusParameter(path);
  }

  #runningChanged() {
    this.#report = null;
    this.#node.change(this.#settings);
    this.#show();
  }

  /** `now` in seconds. */
  #draw(now) {
    const report = this.#sound.running === null ? null : this.#report;
    this.#flow.draw(report, now);
    this.#detail.draw(report, now);
  }
}
