"""Finds when each word of recordings is spoken, for scripts of meetings.

``python scripts/align_clips.py FOLDER < words.txt > FOLDER/clips.yaml``: a line is a clip's name, its file,
and its words. PocketSphinx aligns the words with the sound; its frames are 10 ms.
"""

import sys
from pathlib import Path

import av
import pocketsphinx

RATE = 16_000
FRAME = 0.01


def samples(path: Path) -> bytes:
    """Return a recording as 16 kHz, mono, 16-bit."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
        frames += resampler.resample(None)
    return b"".join(frame.to_ndarray().tobytes() for frame in frames)


def aligned(pcm: bytes, words: str) -> list[tuple[str, float, float]]:
    """Return each word with its begin and end in seconds. ValueError if the sound does not have the words."""
    decoder = pocketsphinx.Decoder(loglevel="FATAL", bestpath=False)
    decoder.set_align_text(words)
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        raise ValueError(words)
    found = [
        (segment.word.partition("(")[0], segment.start_frame * FRAME, (segment.end_frame + 1) * FRAME)
        for segment in decoder.seg()
        if not segment.word.startswith(("<", "["))
    ]
    if [word for word, _, _ in found] != words.split():
        raise ValueError(f"{words}: {found}")
    return found


def main() -> None:
    """Align what is on the input."""
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        name, file, words = line.rstrip("\n").split(" ", 2)
        pcm = samples(folder / file)
        print(f"{name}:\n  file: {file}\n  seconds: {len(pcm) / 2 / RATE:.4f}\n  words:")
        for word, begin, end in aligned(pcm, words):
            print(f"    - {{word: {word}, begin: {begin:.2f}, end: {end:.2f}}}")


if __name__ == "__main__":
    main()
