"""The Apertium engine, from the distribution's packages: rule-based translation in milliseconds.

The ``apertium`` command loads its dictionaries for each text: 0.16 to 0.21 s, nearly all of it CPU. Its
programs can also stay open: with ``-z`` each writes its output at a zero byte and continues (*null flush*),
and a text then takes 1 to 4 ms. So each language direction has one pipeline, started when it is first used,
and closed when it is not used any more.
The pipeline of ``apertium -z`` itself cannot be used: it has gawk at both ends, which buffers the text.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Final

import structlog
import trio

from orch.processes import signal_group
from orch.sandbox.engines.language_pairs import Pair
from orch.sandbox.engines.pipeline_limits import MOST_OPEN, to_close
from orch.sandbox.engines.protected_text import END, join, pieces, protect, restore
from orch.sandbox.engines.routes import Method
from orch.sandbox.engines.translation import TooManyWaiting, TranslationFailed
from orch.sandbox.engines.trials import Trials
from orch.settings.environment import for_child

log = structlog.get_logger("apertium")

ADVICE: Final = "Install Apertium: apt install apertium apertium-eng-spa"

WAITING_LIMIT: Final = 64
"""Texts that can be queued for one direction; more are refused."""

PROBE: Final = 10.0
"""Seconds for a pipeline's first translation: it loads the dictionaries, perhaps on a busy machine."""

REVIEW: Final = 30.0
"""Seconds between two looks for idle pipelines."""

TRIED_AT_ONCE: Final = 2
"""Directions that are tested at the same time, before any is offered."""

DEFAULT_DATA: Final = Path("/usr/share/apertium")

# Apertium's language codes (ISO 639-3) to the usual ones (ISO 639-1).
SHORT: Final = dict(
    pair.split(":")
    for pair in (  # noqa: SIM905 - a list of 60 quoted strings says the same in four times the space
        "afr:af ara:ar arg:an ast:ast bak:ba bel:be ben:bn bre:br bul:bg cat:ca ces:cs cos:co crh:crh cym:cy "
        "dan:da deu:de ell:el eng:en epo:eo est:et eus:eu fao:fo fas:fa fin:fi fra:fr frp:frp gle:ga glg:gl "
        "glv:gv hat:ht heb:he hin:hi hrv:hr hun:hu hye:hy ind:id isl:is ita:it kaz:kk kir:ky lat:la lav:lv "
        "lit:lt mar:mr mkd:mk mlt:mt msa:ms nld:nl nno:nn nob:nb nor:no oci:oc pol:pl por:pt ron:ro rus:ru "
        "sme:se slk:sk slv:sl spa:es sqi:sq srd:sc srp:sr swe:sv szl:szl tat:tt tur:tr ukr:uk urd:ur uzb:uz "
        "vie:vi zho:zh"
    ).split()
)
_MODE: Final = re.compile(r"^([a-z]{2,3})(?:_([A-Za-z]+))?-([a-z]{2,3})(?:_([A-Za-z]+))?$")
_LINE_BREAKS: Final = re.compile(r"(\s*\n\s*)")


# Apertium has one dictionary for these languages, and selects the output by a variant.
_OF_SERBO_CROATIAN: Final = {"HR": "hr", "SR": "sr", "BS": "bs"}
_REGION: Final = re.compile(r"^[A-Z]{2}$")


def code(language: str, variant: str | None) -> str | None:
    """Return the BCP 47 tag of one side of a mode's name: ``en-US`` for ``eng`` and ``US``.

    None if there is no such tag: a spelling or a dialect that only Apertium has a name for.
    """
    short = SHORT.get(language, language)
    if variant is None:
        return short
    if language == "hbs":
        return _OF_SERBO_CROATIAN.get(variant)
    return f"{short}-{variant}" if _REGION.match(variant) else None


def read_modes(listing: str) -> dict[Pair, str]:
    """Parse the output of ``apertium -l``; modes that are not two languages (for developers) are left out."""
    modes: dict[Pair, str] = {}
    for line in listing.split():
        found = _MODE.match(line)
        if found:
            source, target = code(found[1], found[2]), code(found[3], found[4])
            if source is not None and target is not None:
                modes[Pair(source, target)] = line
    return modes


def null_flushing(mode: str) -> str:
    """Return a mode's pipeline with ``-z`` added to each of its programs.

    ``$1`` is ``-n`` (do not mark unknown words), ``$2`` the tagger's option (none).
    """
    lexer = shlex.shlex(mode, posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    stages: list[list[str]] = [[]]
    for word in lexer:
        if word == "|":
            stages.append([])
        elif word != "$2":
            stages[-1].append("-n" if word == "$1" else word)
    return " | ".join(shlex.join([program, "-z", *rest]) for program, *rest in stages)


def used_by(mode: str) -> list[str]:
    """Return the programs and the files (absolute paths) of a mode's pipeline."""
    lexer = shlex.shlex(mode, posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    words = ["|", *lexer]
    return [word for before, word in pairwise(words) if before == "|" or word.startswith("/")]


async def find(trials: Trials | None = None) -> "Apertium | None":
    """Return the engine with the installed directions, or None if there are none."""
    program = shutil.which("apertium")
    if program is None:
        return None
    try:
        listed = await trio.run_process([program, "-l"], capture_stdout=True, capture_stderr=True)
    except (OSError, subprocess.CalledProcessError) as error:
        log.warning("apertium directions unknown", reason=str(error))
        return None
    modes = read_modes(listed.stdout.decode(errors="replace"))
    data = Path(os.environ.get("APERTIUM_DATADIR", DEFAULT_DATA))
    return Apertium(program, data, modes, trials or Trials()) if modes else None


class Apertium:
    """The engine: one pipeline for each direction in use."""

    name = "apertium"
    method: Method = "rules"

    def __init__(
        self,
        program: str,
        data: Path,
        modes: dict[Pair, str],
        trials: Trials,
        *,
        most_open: int = MOST_OPEN,
    ) -> None:
        self._trials = trials
        self._most_open = most_open
        self.pairs = tuple(sorted(modes))
        self._directions = {
            pair: Direction(program, mode, data / "modes" / f"{mode}.mode") for pair, mode in modes.items()
        }

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Test each direction, offer those that respond, wait until cancelled, then end the pipelines.

        If this process is killed, the pipelines end at the end of their input.
        """
        await self._try_all()
        task_status.started()
        try:
            while True:
                await trio.sleep(REVIEW)
                await self._close_surplus()
        finally:
            with trio.move_on_after(2, shield=True):
                for direction in self._directions.values():
                    await direction.close()

    async def _try_all(self) -> None:
        """Remove the directions that fail a trial: a listed mode may not work."""
        places = trio.CapacityLimiter(TRIED_AT_ONCE)
        working: set[Pair] = set()

        async def attempt(pair: Pair) -> None:
            direction = self._directions[pair]
            async with places:
                files = await trio.to_thread.run_sync(direction.files)
                if await self._trials.passes(f"apertium {direction.mode}", files, direction.is_working):
                    working.add(pair)

        async with trio.open_nursery() as nursery:
            for pair in self.pairs:
                nursery.start_soon(attempt, pair)
        self.pairs = tuple(pair for pair in self.pairs if pair in working)
        await self._trials.store()

    async def prepare(self, pair: Pair) -> None:
        """Open the direction's pipeline, which loads its dictionaries, if it is not open."""
        await self._directions[pair].prepare()
        await self._close_surplus(but=pair)

    async def _close_surplus(self, *, but: Pair | None = None) -> None:
        """Close pipelines that are over the limit, or idle; ``but`` not the one that is used next."""
        opened = {pair: one.used_at for pair, one in self._directions.items() if one.is_open}
        busy = [pair for pair in opened if pair == but or self._directions[pair].is_busy]
        for pair in to_close(opened, busy, now=trio.current_time(), most=self._most_open):
            await self._directions[pair].close_unused()

    async def translate(self, text: str, pair: Pair) -> str:
        """Translate ``text`` line by line; URLs, mark-up and symbols are returned unchanged.

        Some pipelines never return some texts. If the caller cancels, the pipeline ends, and the next text
        gets a new one.
        """
        parts = _LINE_BREAKS.split(text)
        parts[::2] = [await self._translate_line(line, pair) for line in parts[::2]]
        return "".join(parts)

    async def _translate_line(self, text: str, pair: Pair) -> str:
        direction = self._directions[pair]
        protected = protect(text)
        restored = restore(await direction.translate(protected.text), protected.kept)
        if restored is not None:
            return restored
        log.info("translated in pieces", source=pair.source, target=pair.target)
        return join([await direction.translate(piece) for piece in pieces(protected)], protected)


class Direction:
    """One language direction: its pipeline, if started, and the lock around it.

    At most :data:`WAITING_LIMIT` texts wait for the lock; further ones are refused.
    """

    def __init__(self, program: str, mode: str, script: Path) -> None:
        self._program = program
        self.mode = mode
        self._script = script
        self._lock = trio.Lock()
        self._pipeline: trio.Process | None = None
        self._can_flush = True
        self.used_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it has a pipeline."""
        return self._pipeline is not None

    @property
    def is_busy(self) -> bool:
        """Whether a text is being translated, or the pipeline is being opened."""
        return self._lock.locked()

    def files(self) -> list[Path]:
        """Return the files that the direction runs on. Blocks."""
        try:
            mode = self._script.read_text(encoding="utf-8")
            used = used_by(mode)
        except (OSError, ValueError):
            used = []  # the trial has the reason
        programs = [self._program, *used]
        return [self._script, *(Path(shutil.which(each) or each) for each in programs)]

    async def prepare(self) -> None:
        """Open the pipeline if it is not open. A direction whose pipeline cannot stay open needs nothing."""
        if self._pipeline is None and self._can_flush:
            async with self._place():
                await self._open_pipeline()

    async def translate(self, text: str) -> str:
        """Translate text in Apertium's stream format; surrounding space is unchanged."""
        words = text.strip()
        if not words:
            return text
        async with self._place():
            translated = await self._translated(words)
        before = text[: len(text) - len(text.lstrip())]
        after = text[len(text.rstrip()) :]
        return before + translated.removesuffix("[]").removesuffix(".").strip() + after

    def _place(self) -> trio.Lock:
        if self._lock.statistics().tasks_waiting >= WAITING_LIMIT:
            raise TooManyWaiting(self.mode)
        return self._lock

    async def is_working(self) -> bool:
        """Return whether the command translates a word in this direction. Leaves no pipeline open."""
        with trio.move_on_after(PROBE):
            try:
                await self._ask_command("a")
            except TranslationFailed as error:
                log.warning("direction not offered", mode=self.mode, reason=str(error))
                return False
            return True
        log.warning("direction not offered", mode=self.mode, reason=f"no response within {PROBE:g} s")
        return False

    async def _translated(self, words: str) -> str:
        """Translate with the pipeline; if it cannot stay open, or breaks, with the command."""
        pipeline = await self._open_pipeline()
        if pipeline is not None:
            try:
                return await _exchange(pipeline, words + END)
            except trio.BrokenResourceError as error:
                log.warning("pipeline failed", mode=self.mode, reason=repr(error))
                await self._close_in_time()
            except BaseException:  # cancelled: the pipeline's next output would belong to this text
                await self._close_in_time()
                raise
        return await self._ask_command(words)

    async def _open_pipeline(self) -> trio.Process | None:
        """Return the pipeline, opened and tested if it is new; None if it cannot stay open."""
        self.used_at = trio.current_time()
        if self._pipeline is None and self._can_flush:
            try:
                self._pipeline = await self._open()
                await self._probe(self._pipeline)
            except (OSError, trio.BrokenResourceError) as error:
                log.warning("pipeline failed", mode=self.mode, reason=repr(error))
                await self._close_in_time()
            except BaseException:
                await self._close_in_time()
                raise
        return self._pipeline

    async def _close_in_time(self) -> None:
        with trio.move_on_after(1, shield=True):
            await self.close()

    async def _probe(self, pipeline: trio.Process) -> None:
        with trio.move_on_after(PROBE) as probe:
            await _exchange(pipeline, END)
        if probe.cancelled_caught:
            self._can_flush = False
            raise trio.BrokenResourceError("one of its programs buffers the text")

    async def _open(self) -> trio.Process:
        script = null_flushing(await trio.Path(self._script).read_text(encoding="utf-8"))
        return await trio.lowlevel.open_process(
            ["sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # warnings about the programs' own rules
            env=for_child(os.environ) | {"LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )

    async def _ask_command(self, words: str) -> str:
        """Run ``apertium`` for one text. A cancel kills it with its child processes."""
        try:
            process = await trio.lowlevel.open_process(
                [self._program, "-u", "-f", "none", self.mode],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=for_child(os.environ),
                start_new_session=True,
            )
        except OSError as error:
            raise TranslationFailed(f"{self._program} cannot be started: {error}") from error
        try:
            translated = await _converse(process, (words + END).encode())
            status = await process.wait()
        finally:
            with trio.move_on_after(1, shield=True):
                await _kill(process)
        if status != 0:
            raise TranslationFailed(f"apertium {self.mode} ended with {status}")
        return translated.decode()

    async def close_unused(self) -> None:
        """End the pipeline, unless it has become busy. The next text waits until it has ended."""
        if not self._lock.locked():
            async with self._lock:
                await self._close_in_time()

    async def close(self) -> None:
        """End the pipeline with all its programs."""
        process, self._pipeline = self._pipeline, None
        if process is not None:
            await _kill(process)


async def _exchange(pipeline: trio.Process, text: str) -> str:
    """Send one text and return its translation. ``BrokenResourceError`` if the pipeline has ended."""
    answer = bytearray()
    async with trio.open_nursery() as nursery:
        # Concurrent with reading: a long text fills the pipes in both directions.
        nursery.start_soon(_write, pipeline, text.encode() + b"\0")
        while not answer.endswith(b"\0"):
            data = await _read(pipeline)
            if not data:
                break
            answer += data
        nursery.cancel_scope.cancel()
    if not answer.endswith(b"\0"):
        raise trio.BrokenResourceError("it has ended")
    return answer[:-1].decode()


async def _converse(process: trio.Process, data: bytes) -> bytes:
    """Write the complete input of a process and return its complete output."""
    answer = bytearray()

    async def write_all() -> None:
        await _write(process, data)
        if process.stdin is not None:
            await process.stdin.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_all)
        while part := await _read(process):
            answer += part
    return bytes(answer)


async def _read(process: trio.Process) -> bytes:
    return b"" if process.stdout is None else bytes(await process.stdout.receive_some(65_536))


async def _write(process: trio.Process, data: bytes) -> None:
    """Write to a process. If it has ended, do nothing: the reader sees the end of its output."""
    if process.stdin is not None:
        try:
            await process.stdin.send_all(data)
        except trio.BrokenResourceError as error:
            log.debug("input closed", pid=process.pid, reason=str(error))


async def _kill(process: trio.Process) -> None:
    """Kill a process and its process session, and wait for it."""
    signal_group(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            await stream.aclose()
    await process.wait()
