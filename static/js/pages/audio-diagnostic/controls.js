/**
 * What is shown, and how: taps, spectrum, weighting, freeze and zoom, and which side is listened to.
 *
 * Events: `tap` {side, tap}, `spectrum` {size, window}, `reset-peaks`, `listen` side or null.
 */

import { SpectrumAnalyser } from "../../audio/analysis/spectrum.js";
import { byId, setAttribute, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { AudioView } from "../../models/audio-view.js";
import { hertz } from "../../models/audio-text.js";

const PAN = 0.25;

export class AnalysisControls extends EventTarget {
  #scope = new Scope();
  #now = () => 0;
  view = new AudioView();

  /** Seconds of sound so far, for freezing. */
  set now(now) {
    this.#now = now;
  }

  get taps() {
    return { before: byId("tap-before").value, after: byId("tap-after").value };
  }

  get spectrum() {
    return { size: Number(byId("fft-size").value), window: byId("window").value };
  }

  get weighting() {
    return byId("weighting").value;
  }

  get listening() {
    return byId("listen").value || null;
  }

  /** The spectrum with its noise bandwidth at a sample rate: {size, window, bandwidthBins, bandwidthHz}. */
  spectrumDescription(sampleRate) {
    const { size, window } = this.spectrum;
    const analyser = new SpectrumAnalyser(size, window, sampleRate);
    return { size, window, bandwidthBins: analyser.bandwidthBins, bandwidthHz: analyser.bandwidth };
  }

  start() {
    const scope = this.#scope;
    if (!scope.open()) return;
    for (const side of ["before", "after"]) scope.listen(byId(`tap-${side}`), "change", ({ target }) => this.#send("tap", { side, tap: target.value }));
    for (const id of ["fft-size", "window"]) scope.listen(byId(id), "change", () => this.#send("spectrum", this.spectrum));
    scope.listen(byId("listen"), "change", () => this.#send("listen", this.listening));
    scope.listen(byId("reset-peaks"), "click", () => this.#send("reset-peaks"));
    scope.listen(byId("freeze"), "click", () => this.#change(() => (this.view.isFrozen ? this.view.follow() : this.view.freeze(this.#now()))));
    scope.listen(byId("zoom-in"), "click", () => this.#change(() => this.view.zoom(-1)));
    scope.listen(byId("zoom-out"), "click", () => this.#change(() => this.view.zoom(1)));
    scope.listen(byId("earlier"), "click", () => this.#change(() => this.view.pan(-PAN)));
    scope.listen(byId("later"), "click", () => this.#change(() => this.view.pan(PAN)));
    this.#show();
  }

  stop() {
    this.#scope.close();
  }

  /** Follow the sound again. */
  follow() {
    this.#change(() => this.view.follow());
  }

  /** Show the noise bandwidth at a sample rate. */
  describe(sampleRate) {
    const { bandwidthBins, bandwidthHz } = this.spectrumDescription(sampleRate);
    setText(byId("bandwidth"), `Noise bandwidth ${hertz(bandwidthHz)}, ${bandwidthBins.toFixed(2)} bins of ${hertz(bandwidthHz / bandwidthBins)}`);
  }

  #send(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #change(action) {
    action();
    this.#show();
  }

  #show() {
    const { view } = this;
    setAttribute(byId("freeze"), "aria-pressed", String(view.isFrozen));
    byId("zoom-in").disabled = !view.canZoomIn;
    byId("zoom-out").disabled = !view.canZoomOut;
    for (const id of ["earlier", "later"]) byId(id).disabled = !view.isFrozen;
    setText(byId("span"), `${view.span} s${view.isFrozen ? ", frozen" : ""}`);
  }
}
