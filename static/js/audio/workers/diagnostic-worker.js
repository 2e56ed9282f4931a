/** Runs audio/analysis/diagnosis-runner.js off the page's thread. */

import { DiagnosisRunner } from "../analysis/diagnosis-runner.js";

const runner = new DiagnosisRunner({ post: (message, transfer) => self.postMessage(message, transfer) });
self.onmessage = ({ data }) => runner.receive(data);
