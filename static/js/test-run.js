/** One run of the audio tests: a sound through two settings, measured and transcribed. The service is passed in. */

/**
 * Run `sound` ({name, blob}) through both `sides` ({a, b}: {title, settings}). `service`: {process(file, settings),
 * compare(file, {a, b, reference, language})}, each a promise; `progress(text)` is called before each step; `now()`:
 * epoch ms. Resolves to a run as models/run-history.js has it, without the file of a side of which nothing is left;
 * rejects as the service does.
 */
export async function testRun({ sound, sides, reference, language }, { service, progress, now = Date.now, random = Math.random }) {
  const file = { name: sound.name, blob: sound.blob };
  const files = { original: sound.blob, a: null, b: null };
  for (const [index, side] of ["a", "b"].entries()) {
    progress(`Step ${index + 1} of 3: the sound runs through ${side.toUpperCase()}, ${sides[side].title}.`);
    files[side] = await orNothing(service.process(file, sides[side].settings));
  }
  progress("Step 3 of 3: both are measured and transcribed.");
  const comparison = await service.compare(file, { a: sides.a.settings, b: sides.b.settings, reference, language });
  const at = now();
  return { id: `${at}-${random().toString(36).slice(2, 8)}`, at, name: sound.name, sides, comparison, stages: null, reference, language, files };
}

/** The file, or null where the silence stage removed all of the sound: the comparison has that side's measures. */
async function orNothing(processed) {
  try {
    return await processed;
  } catch (error) {
    if (error.code === "nothing_left") return null;
    throw error;
  }
}
