/** Audio diagnostic: what a microphone or a file sounds like before and after the pipeline, in figures and pictures. */

import { DiagnosticSession } from "../../audio/diagnostic-session.js";
import { showBanners } from "../../components/banners.js";
import { byId, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { control } from "../../control-api.js";
import { statusSentence } from "../../models/audio-diagnosis-text.js";
import { measuredOf } from "../../models/audio-report.js";
import { recommendations } from "../../models/audio-recommendations.js";
import { microphoneFault } from "../../models/microphone-fault.js";
import { Shell } from "../../shell.js";
import { AnalysisControls } from "./controls.js";
import { Display } from "./display.js";
import { InputCard } from "./input-card.js";
import { PipelineChoice } from "./pipeline-choice.js";
import { ReportCard } from "./report-card.js";
import { StagesCard } from "./stages-card.js";

/** Texts and tables change so often (ms). */
const TEXT_EVERY = 1_000;

export class AudioDiagnosticPage {
  #scope = new Scope();
  #shell;
  #socket;
  #session;
  #choice;
  #controls;
  #display;
  #input;
  #stages = new StagesCard();
  #report;
  /** What is measured, as the session describes it; null before the first. `ended`: its summary, once it has ended. */
  #source = null;
  #summary = null;
  #lastDropOuts = null;
  #isOpening = false;

  constructor(socket, { get = (path) => control("GET", path), session = new DiagnosticSession() } = {}) {
    this.#socket = socket;
    this.#session = session;
    this.#shell = new Shell(socket);
    this.#choice = new PipelineChoice({ get, onChange: (settings) => this.#session.change(settings) });
    this.#controls = new AnalysisControls();
    this.#display = new Display(this.#controls, () => this.#choice.settings);
    this.#input = new InputCard({ onFile: (file) => this.#openFile(file) });
    this.#report = new ReportCard(() => this.#material());
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    scope.start(this.#shell);
    for (const part of [this.#choice, this.#controls, this.#display, this.#input, this.#report]) scope.start(part);
    scope.listen(byId("open-microphone"), "click", () => this.#openMicrophone());
    scope.listen(byId("stop"), "click", () => this.#stop());
    scope.listen(byId("rush"), "click", () => this.#session.rush());
    scope.listen(this.#session, "frame", ({ detail }) => this.#display.add(detail));
    scope.listen(this.#session, "ended", ({ detail }) => this.#ended(detail));
    scope.listen(this.#session, "failed", ({ detail }) => this.#failed({ text: `Measuring failed: ${detail.message}.`, more: "Start it again. If it fails again, choose another preset or file." }));
    scope.listen(this.#controls, "tap", ({ detail }) => this.#session.setTap(detail.side, detail.tap));
    scope.listen(this.#controls, "spectrum", ({ detail }) => this.#session.setSpectrum(detail));
    scope.listen(this.#controls, "reset-peaks", () => this.#session.resetPeaks());
    scope.listen(this.#controls, "listen", ({ detail }) => this.#listen(detail));
    scope.every(TEXT_EVERY, () => this.#showTexts());
    scope.defer(() => this.#session.close());
    scope.start(this.#socket);
    this.#showState();
    this.#showTexts();
  }

  stop() {
    this.#scope.close();
  }

  async #openMicrophone() {
    await this.#open((options) => this.#session.openMicrophone(options), microphoneFault);
  }

  async #openFile(file) {
    await this.#open(
      (options) => this.#session.openFile(file, options),
      () => ({ text: `${file.name} cannot be read as sound.`, more: "Choose a WAV, MP3, Ogg, FLAC or MP4 file that this browser can play." }),
    );
  }

  async #open(opens, describe) {
    if (this.#isOpening) return;
    if (this.#choice.settings === null) {
      this.#failed({ text: "The pipeline's settings are not loaded yet.", more: "Try again when the service can be reached." });
      return;
    }
    this.#isOpening = true;
    this.#summary = null;
    this.#lastDropOuts = null;
    this.#display.reset();
    this.#controls.follow();
    this.#showFaults(null);
    setText(byId("page-status"), "Opening the sound.");
    try {
      const { taps, spectrum } = this.#controls;
      this.#source = await opens({ settings: this.#choice.settings, taps, spectrum });
      this.#input.show(this.#source);
      if (this.#controls.listening !== null) await this.#listen(this.#controls.listening);
    } catch (error) {
      if (error.name !== "Closed") this.#failed(describe(error));
    } finally {
      this.#isOpening = false;
      this.#showState();
      this.#showTexts();
    }
  }

  async #listen(side) {
    try {
      await this.#session.listen(side);
    } catch (error) {
      this.#failed({ text: `The sound cannot be played: ${error.message}.`, more: "Measuring goes on." });
    }
  }

  async #stop() {
    this.#summary = (await this.#session.report()) ?? this.#summary;
    this.#session.close();
    this.#ended({ reason: "stopped", summary: this.#summary });
  }

  #ended({ reason, summary }) {
    this.#summary = summary ?? this.#summary;
    if (reason === "device") this.#showFaults({ text: "The microphone was disconnected.", more: "Connect it and open it again; what was measured until then stays." });
    this.#showState();
    this.#showTexts();
  }

  #failed(fault) {
    this.#showFaults(fault);
    this.#showState();
    this.#showTexts();
  }

  #showFaults(fault) {
    showBanners(byId("problems"), fault === null ? [] : [{ key: "fault", tone: "bad", word: "failed", subject: "Sound", since: null, action: null, ...fault }]);
  }

  #showState() {
    const { isOpen } = this.#session;
    const isFile = this.#source?.kind === "file";
    byId("stop").hidden = !isOpen;
    byId("rush").hidden = !(isOpen && isFile);
    byId("open-microphone").hidden = isOpen;
    this.#report.enable(isOpen || this.#summary !== null);
  }

  /** What a report is made from; resolves to null before anything was measured. */
  async #material() {
    const summary = (await this.#session.report()) ?? this.#summary;
    if (summary === null || this.#source === null || !(summary.seconds > 0)) return null;
    return { summary, settings: this.#choice.settings, input: this.#source, dropOuts: this.#dropOuts, spectrum: this.#controls.spectrumDescription(this.#source.sampleRate) };
  }

  /** As they are, or as they were when they were last read before the measurement ended. */
  get #dropOuts() {
    if (this.#session.isOpen || this.#lastDropOuts === null) this.#lastDropOuts = this.#session.dropOuts;
    return this.#lastDropOuts;
  }

  async #showTexts() {
    const material = await this.#material();
    if (!this.#scope.isOpen) return;
    const found = material === null ? [] : recommendations(measuredOf(material));
    if (!this.#isOpening) setText(byId("page-status"), statusSentence({ source: this.#source, isOpen: this.#session.isOpen, summary: material?.summary ?? null, found }));
    this.#report.show(material, found);
    this.#stages.show(material, this.#display.latestStages);
    this.#input.showPhase(material?.summary.phase ?? null);
    this.#input.showDropOuts(this.#dropOuts, this.#session.isOpen);
  }
}
