/** What the pages that set the audio pipeline begin with: the service's parameters and presets, this browser's settings. */

import { browserStorage } from "./components/preferences.js";
import { control, ProblemError } from "./control-api.js";
import { PipelineSchema } from "./models/pipeline-settings.js";
import { SettingsStorage } from "./models/settings-history.js";

/**
 * Load {schema, presets, storage}: a PipelineSchema, the service's presets as it sends them, and a SettingsStorage.
 * Until the service can be reached, a notice explains what is missing (`more`) and offers to load it again.
 * Resolves to null where `scope` was closed meanwhile. `get(path)`: a request of the control API.
 */
export async function loadPipeline({ scope, notices, more, get = (path) => control("GET", path) }) {
  for (;;) {
    try {
      const [document, { presets }] = await Promise.all([get("/api/pipeline/schema"), get("/api/pipeline/presets")]);
      return scope.isOpen ? { schema: new PipelineSchema(document), presets, storage: new SettingsStorage(browserStorage()) } : null;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (!scope.isOpen) return null;
      await new Promise((resolve) => notices.show("load", { word: "not loaded", tone: "bad", text: error.message, more, isDismissable: false, actions: [{ label: "Load again", run: resolve }] }));
      notices.remove("load");
    }
  }
}
