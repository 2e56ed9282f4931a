import hashlib
from pathlib import Path

import pytest

from orch.sandbox.engines.notice import better_engine_notice
from orch.sandbox.engines.utterances import LONGEST, MOST, QUIET, Utterances
from orch.sandbox.models import plan
from orch.sandbox.models.catalog import BASE, MODELS
from orch.sandbox.models.locations import locations
from orch.sandbox.models.plan import FetchError, Kind
from orch.sandbox.models.progress import Progress
from tests.fakes.whisper_model import unpack

HOME = Path("/home/ada")


def test_the_pinned_model_is_the_published_one(tmp_path: Path) -> None:
    """Sizes and hashes are those of the model that the tests run."""
    folder = unpack(tmp_path)
    assert {path.name for path in folder.iterdir()} == {file.name for file in BASE.files}
    for file in BASE.files:
        data = (folder / file.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)


@pytest.mark.parametrize(
    ("environ", "own", "hub_cache"),
    [
        ({}, ".cache/orchestration-service/models", ".cache/huggingface/hub"),
        ({"HF_HOME": "/hf"}, ".cache/orchestration-service/models", "/hf/hub"),
        ({"HF_HOME": "/hf", "HF_HUB_CACHE": "~/c"}, ".cache/orchestration-service/models", "c"),
        ({"HUGGINGFACE_HUB_CACHE": "/old"}, ".cache/orchestration-service/models", "/old"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/orchestration-service/models", "/x/huggingface/hub"),
    ],
)
def test_folders_follow_the_variables_of_the_hubs_library(
    environ: dict[str, str], own: str, hub_cache: str
) -> None:
    found = locations(environ, HOME)
    assert (found.own, found.hub_cache) == (HOME / own, HOME / hub_cache)


def test_a_mirror_and_a_ban_of_the_network_are_followed() -> None:
    found = locations({"HF_ENDPOINT": "https://mirror.example/", "HF_HUB_OFFLINE": "1"}, HOME)
    assert found.offline == "HF_HUB_OFFLINE"
    assert found.url(BASE, "config.json") == (
        f"https://mirror.example/Systran/faster-whisper-base/resolve/{BASE.revision}/config.json"
    )
    assert locations({"HF_HUB_OFFLINE": "0"}, HOME).offline == ""


def test_the_layout_of_the_library_is_the_installed_ones() -> None:
    """The folder of a snapshot, as ``huggingface_hub`` itself names it."""
    from huggingface_hub.file_download import repo_folder_name

    named = repo_folder_name(repo_id=BASE.repository, repo_type="model")
    assert locations({}, HOME).snapshots(BASE) == HOME / ".cache/huggingface/hub" / named / "snapshots"


def test_small_files_come_first_and_progress_counts_parts() -> None:
    sizes: dict[str, int] = {}
    first = plan.next_request(BASE, sizes)
    assert first is not None
    assert (first.file.name, first.offset) == ("config.json", 0)
    sizes = {file.name: file.size for file in BASE.files if file.name != "model.bin"}
    sizes["model.bin.part"] = 60_000_000
    last = plan.next_request(BASE, sizes)
    assert last is not None
    assert last.headers["Range"] == "bytes=60000000-"
    assert plan.in_words(BASE, plan.received(BASE, sizes)) == "63 of 148 MB"
    assert plan.next_request(BASE, {file.name: file.size for file in BASE.files}) is None


def test_a_download_leaves_room_on_the_disk() -> None:
    plan.check_space(100_000_000, 100_000_000 + plan.RESERVE)
    with pytest.raises(FetchError, match="The disk has 150 MB free, and 217 MB are necessary") as full:
        plan.check_space(150_000_000, 150_000_000)
    assert full.value.kind is Kind.DISK


STATES = {
    "downloading": "A better engine, Whisper base, is being downloaded: 62 of 148 MB. Until then",
    "other_process": "A better engine, Whisper base, is being downloaded by another process: 62 of 148 MB.",
    "complete": "A better engine, Whisper base, is being loaded.",
    "waiting": "A better engine, Whisper base, cannot be downloaded: The hub is down. Next attempt in 5 min.",
}


@pytest.mark.parametrize("state", STATES)
def test_the_notice_says_what_happens_and_what_can_be_done(state: str) -> None:
    progress = Progress(
        state=state,  # type: ignore[arg-type]  # a key of STATES
        received=62_000_000,
        size=BASE.size,
        problem="The hub is down." if state == "waiting" else "",
        next_in=300 if state == "waiting" else None,
    )
    notice = better_engine_notice("base", progress, problem="", instead="pocketsphinx")
    assert notice.startswith(STATES[state])
    assert notice.endswith("Until then PocketSphinx (English only) transcribes.")
    assert ("ORCH_DEMO_MODEL" in notice) is (state == "waiting")
    assert set(MODELS) == {"base"}


class TestUtterances:
    """An utterance is transcribed by one engine from its first revision to its final."""

    def test_an_utterance_stays_and_the_next_one_switches(self) -> None:
        utterances = Utterances()
        utterances.note("s", 1.0, 0.0)
        utterances.note("s", 2.0, 1.0)
        utterances.begin_switch(1.5)
        assert utterances.is_begun("s", 3.0, 2.0)
        assert utterances.is_begun("s", 2.7, 2.5)  # the final, without the silence at its end
        assert not utterances.is_over(2.5)
        assert not utterances.is_begun("s", 1.0, 4.0)
        assert utterances.is_over(4.0)

    def test_other_sessions_and_requests_without_one_switch_at_once(self) -> None:
        utterances = Utterances()
        utterances.note("s", 2.0, 0.0)
        utterances.note(None, 2.0, 0.0)
        utterances.begin_switch(1.0)
        assert not utterances.is_begun("t", 5.0, 1.0)
        assert not utterances.is_begun(None, 5.0, 1.0)
        assert not utterances.is_over(1.0)

    def test_silence_ends_an_utterance(self) -> None:
        utterances = Utterances()
        utterances.note("s", 2.0, 0.0)
        utterances.begin_switch(1.0)
        assert not utterances.is_over(QUIET)
        assert utterances.is_over(QUIET + 0.1)
        assert not utterances.is_begun("s", 9.0, QUIET + 0.2)

    def test_a_switch_ends(self) -> None:
        """Speech that never pauses, as two speakers in one session may look like."""
        utterances = Utterances()
        now = 0.0
        utterances.note("s", 1.0, now)
        utterances.begin_switch(now)
        while utterances.is_begun("s", 2.0 + now, now):
            assert not utterances.is_over(now)
            now += 1.0
        assert now == LONGEST
        assert utterances.is_over(now)

    def test_sessions_are_bounded(self) -> None:
        utterances = Utterances()
        for number in range(10 * MOST):
            utterances.note(f"s{number}", 1.0, 0.0)
        utterances.begin_switch(0.0)
        assert not utterances.is_begun("s0", 2.0, 0.0)
        assert sum(utterances.is_begun(f"s{number}", 2.0, 0.0) for number in range(10 * MOST)) == MOST
