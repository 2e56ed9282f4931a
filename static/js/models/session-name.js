/**
 * A session's name that can be read out and typed: "swift-river-7f3k".
 *
 * Two words of 32 and four characters of 32 make 30 bits: among 1,000 sessions the next name is taken once in a
 * million; then another is drawn. The name also has to be hard to guess: at one guess a second, finding one of a
 * thousand sessions takes twelve days on average.
 */

const FIRST = [
  "amber", "brave", "brisk", "calm", "clear", "coral", "crisp", "dawn", "deep", "early", "fair", "firm", "gentle", "golden",
  "green", "keen", "kind", "late", "light", "lucid", "mild", "noble", "north", "plain", "quick", "quiet", "silver", "steady",
  "still", "swift", "warm", "wide",
];
const SECOND = [
  "bay", "birch", "bridge", "brook", "cedar", "cliff", "cloud", "coast", "field", "fjord", "forest", "garden", "harbor", "hill",
  "island", "lake", "lark", "maple", "meadow", "moor", "oak", "orchard", "pine", "plaza", "reef", "ridge", "river", "shore",
  "spring", "stone", "valley", "willow",
];
/** Without 0, 1, l and o, which are mistaken for one another. */
const CHARACTERS = "23456789abcdefghijkmnpqrstuvwxyz";

/** `randomBytes(n)` returns n random bytes. */
export function sessionName(randomBytes = (count) => crypto.getRandomValues(new Uint8Array(count))) {
  const bytes = randomBytes(6);
  const tail = [...bytes.slice(2)].map((byte) => CHARACTERS[byte % 32]).join("");
  return `${FIRST[bytes[0] % 32]}-${SECOND[bytes[1] % 32]}-${tail}`;
}

/** What the service takes as a session's name. */
export function isSessionName(name) {
  return /^[A-Za-z0-9._~-]{1,128}$/.test(name);
}
