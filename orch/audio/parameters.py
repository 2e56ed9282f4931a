"""The parameters of the audio pipeline: each one once, with default, range, step, unit, label and help. Pure.

From here come the validation of what clients send, the JSON Schema of ``GET /api/pipeline/schema``, the
controls page, its documentation, and the limits and defaults of ``vad`` in the settings. On the wire the
names are in camelCase; a group is a stage's parameters (:data:`GROUPS`).

A ``knob`` is msgspec's ``Meta`` of a number: validation uses its range, the schema has the rest, as
``title``, ``description``, ``x-step``, ``x-unit`` and ``x-labels``. Rules about two parameters:
``parameter_rules.py``.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

StageId = Literal[
    "original",
    "decoded",
    "voiceFilter",
    "vad",
    "noise",
    "voiceEnhance",
    "voiceProcess",
    "silence",
    "resample",
    "final",
]

#: In the order in which audio passes them.
STAGE_IDS: Final[tuple[StageId, ...]] = (
    "original",
    "decoded",
    "voiceFilter",
    "vad",
    "noise",
    "voiceEnhance",
    "voiceProcess",
    "silence",
    "resample",
    "final",
)

#: The field of :class:`Parameters` that has a stage's parameters. The others pass audio through.
GROUPS: Final[dict[StageId, str]] = {
    "voiceFilter": "voice_filter",
    "vad": "vad",
    "noise": "noise_reduction",
    "voiceEnhance": "voice_enhancement",
    "voiceProcess": "voice_processing",
    "silence": "silence",
    "resample": "resampling",
}


def knob(low: float, high: float, step: float, unit: str, label: str, text: str) -> Meta:
    """Return the description of a number from ``low`` to ``high``; ``unit`` is "" for a ratio."""
    return Meta(
        ge=low, le=high, title=label, description=text, extra_json_schema={"x-step": step, "x-unit": unit}
    )


def described(label: str, text: str, unit: str = "", choices: dict[str, str] | None = None) -> Meta:
    """Return the description of a switch or a choice; ``choices``: the label of each, in their order."""
    extra: dict[str, Any] = {"x-unit": unit} if unit else {}
    if choices:
        extra["x-labels"] = choices
    return Meta(title=label, description=text, extra_json_schema=extra)


class Group(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Some parameters that belong together."""


Aggressiveness = Annotated[
    int,
    knob(0, 3, 1, "", "Aggressiveness", "How much evidence a frame needs to count as speech: 3 needs most."),
]
FrameDuration = Annotated[
    Literal[10, 20, 30],
    described(
        "Frame", "How much audio each decision is about: shorter reacts sooner, longer errs less.", "ms"
    ),
]
MinSpeechDuration = Annotated[
    int,
    knob(
        50, 1000, 50, "ms", "Shortest speech", "Sound that is shorter than this is dropped, or ends sooner."
    ),
]
MaxSilenceDuration = Annotated[
    int,
    knob(100, 2000, 100, "ms", "Hangover", "How long a pause may be before speech counts as ended."),
]
EnergyThreshold = Annotated[
    float,
    knob(
        0,
        0.1,
        0.001,
        "FS",
        "Energy threshold",
        "The RMS level, of full scale, below which nothing is speech.",
    ),
]
VoiceFreqMin = Annotated[
    float,
    knob(
        50,
        200,
        5,
        "Hz",
        "Lowest voice",
        "The lowest fundamental of a voice: 50 Hz is below the deepest men, 200 Hz excludes most.",
    ),
]
VoiceFreqMax = Annotated[
    float,
    knob(
        200,
        500,
        10,
        "Hz",
        "Highest voice",
        "The highest fundamental of a voice: children reach about 400 Hz.",
    ),
]


class Vad(Group, frozen=True, kw_only=True):
    """Voice activity detection."""

    aggressiveness: Aggressiveness = 2
    frame_duration: FrameDuration = 20
    min_speech_duration: MinSpeechDuration = 250
    max_silence_duration: MaxSilenceDuration = 500
    energy_threshold: EnergyThreshold = 0.01
    voice_freq_min: VoiceFreqMin = 85
    voice_freq_max: VoiceFreqMax = 300


class VoiceFilter(Group, frozen=True, kw_only=True):
    """Band shaping for voices."""

    fundamental_min: Annotated[
        float,
        knob(50, 200, 5, "Hz", "Fundamental from", "What is below this frequency is rumble and is removed."),
    ] = 85
    fundamental_max: Annotated[
        float, knob(200, 500, 10, "Hz", "Fundamental to", "The highest fundamental that the filter follows.")
    ] = 300
    formant1_min: Annotated[
        float,
        knob(
            150,
            1000,
            10,
            "Hz",
            "Formant 1 from",
            "Where the first formant of vowels begins; it counts where formants are not preserved.",
        ),
    ] = 200
    formant1_max: Annotated[
        float,
        knob(300, 1500, 10, "Hz", "Formant 1 to", "Where the first formant ends: open vowels reach 1 kHz."),
    ] = 1000
    formant2_min: Annotated[
        float,
        knob(
            300,
            2000,
            10,
            "Hz",
            "Formant 2 from",
            "Where the second formant of vowels begins; it counts where formants are not preserved.",
        ),
    ] = 500
    formant2_max: Annotated[
        float,
        knob(1000, 4000, 10, "Hz", "Formant 2 to", "Where the second formant ends: 'ee' reaches 3 kHz."),
    ] = 3000
    formant3_min: Annotated[
        float,
        knob(
            1000,
            3000,
            10,
            "Hz",
            "Formant 3 from",
            "Where the third formant of vowels begins; it counts where formants are not preserved.",
        ),
    ] = 1500
    formant3_max: Annotated[
        float,
        knob(2000, 6000, 10, "Hz", "Formant 3 to", "Where the third formant ends: in children at 4 kHz."),
    ] = 4000
    sibilance_min: Annotated[
        float, knob(2000, 8000, 50, "Hz", "Sibilance from", "Where the hiss of s and sh begins.")
    ] = 4000
    sibilance_max: Annotated[
        float,
        knob(
            4000,
            16000,
            50,
            "Hz",
            "Sibilance to",
            "Where the hiss ends; above half the sample rate: nothing ends it.",
        ),
    ] = 8000
    sibilance_boost: Annotated[
        float, knob(1, 2, 0.1, "×", "Sibilance boost", "The gain of the hiss of s and sh: 2 is 6 dB.")
    ] = 1.2
    voice_band_gain: Annotated[
        float,
        knob(
            0.5, 2, 0.1, "×", "Voice band gain", "The gain between fundamental and third formant: 2 is 6 dB."
        ),
    ] = 1.1
    preserve_formants: Annotated[
        bool,
        described("Preserve formants", "Keep the balance of the three formants: one gain for all of them."),
    ] = True
    adaptive_filtering: Annotated[
        bool,
        described("Follow the voice", "Move the lower edge with the fundamental of the person who speaks."),
    ] = True


class NoiseReduction(Group, frozen=True, kw_only=True):
    """Noise suppression."""

    engine: Annotated[
        Literal["builtIn", "deepFilterNet"],
        described(
            "Engine",
            "Built in, or the DeepFilterNet model: better, on the server only, a third of a core.",
            choices={"builtIn": "Built in", "deepFilterNet": "DeepFilterNet (server only)"},
        ),
    ] = "builtIn"
    strength: Annotated[
        float,
        knob(0, 1, 0.05, "", "Strength", "How much of the noise that was found is removed: 0 none, 1 all."),
    ] = 0.7
    smoothing: Annotated[
        float,
        knob(
            0,
            1,
            0.05,
            "",
            "Smoothing",
            "Weight of the past in the estimated ratio of signal to noise: 1 is slowest.",
        ),
    ] = 0.95
    noise_floor: Annotated[
        float,
        knob(
            0,
            1,
            0.005,
            "×",
            "Noise floor",
            "The lowest gain of any frequency: what remains of noise at strength 1.",
        ),
    ] = 0.01
    gate_threshold: Annotated[
        float,
        knob(
            0,
            0.05,
            0.001,
            "FS",
            "Gate threshold",
            "What is below this RMS level after suppression is faded out.",
        ),
    ] = 0.003
    spectral_subtraction: Annotated[
        bool,
        described(
            "Spectral subtraction",
            "Subtract the noise's spectrum instead of estimating the voice (log-MMSE).",
        ),
    ] = False
    spectral_floor: Annotated[
        float,
        knob(
            0,
            0.1,
            0.001,
            "×",
            "Spectral floor",
            "The least power that subtraction leaves, as a share of the noise.",
        ),
    ] = 0.002
    over_subtraction: Annotated[
        float,
        knob(1, 6, 0.1, "×", "Over-subtraction", "How many times the noise's power subtraction removes."),
    ] = 2.0
    voice_protection: Annotated[
        bool,
        described(
            "Voice protection", "Suppress less while a voice is present, so that no consonant is lost."
        ),
    ] = True
    voice_threshold: Annotated[
        float,
        knob(
            0,
            1,
            0.05,
            "",
            "Voice threshold",
            "The confidence of voice activity above which a voice is protected.",
        ),
    ] = 0.1
    music_noise_suppression: Annotated[
        float,
        knob(
            0,
            1,
            0.05,
            "",
            "Musical noise suppression",
            "How much gains are smoothed where only noise is left.",
        ),
    ] = 0.95


class Compressor(Group, frozen=True, kw_only=True):
    """Reduces the range between loud and quiet."""

    enabled: Annotated[
        bool, described("Compressor", "Make loud passages quieter, so that all can be louder.")
    ] = True
    threshold: Annotated[
        float, knob(-40, 0, 1, "dBFS", "Threshold", "The level above which the compressor reduces the gain.")
    ] = -20
    ratio: Annotated[
        float, knob(1, 20, 0.5, ":1", "Ratio", "How many dB above the threshold become one.")
    ] = 3
    attack: Annotated[
        float, knob(0.001, 0.1, 0.001, "s", "Attack", "How fast the gain falls: time constant.")
    ] = 0.005
    release: Annotated[
        float, knob(0.02, 2, 0.01, "s", "Release", "How fast the gain returns: time constant.")
    ] = 0.3
    knee: Annotated[
        float, knob(0, 24, 1, "dB", "Knee", "The width of the bend around the threshold: 0 is a corner.")
    ] = 2
    makeup_gain: Annotated[
        float, knob(0.5, 4, 0.1, "×", "Make-up gain", "The gain after compression: 2 is 6 dB.")
    ] = 1.2


class Clarity(Group, frozen=True, kw_only=True):
    """Presence."""

    enabled: Annotated[bool, described("Clarity", "Raise the band in which consonants differ.")] = True
    amount: Annotated[float, knob(0, 1, 0.05, "", "Amount", "1 raises the centre of the band by 6 dB.")] = 0.3
    focus_freq: Annotated[
        float, knob(1000, 5000, 50, "Hz", "Centre", "The frequency that is raised most.")
    ] = 2500
    bandwidth: Annotated[
        float,
        knob(200, 4000, 50, "Hz", "Bandwidth", "The width of the band, between the points of half the gain."),
    ] = 1000


class DeEsser(Group, frozen=True, kw_only=True):
    """Makes sharp s sounds softer."""

    enabled: Annotated[bool, described("De-esser", "Reduce the band of s and sh where it is too loud.")] = (
        True
    )
    threshold: Annotated[
        float, knob(-60, 0, 1, "dBFS", "Threshold", "The level of the band above which it is reduced.")
    ] = -20
    frequency: Annotated[
        float, knob(3000, 10000, 100, "Hz", "Centre", "The centre of the band that is measured and reduced.")
    ] = 6000
    bandwidth: Annotated[
        float, knob(500, 6000, 100, "Hz", "Bandwidth", "The width of the band that is measured and reduced.")
    ] = 2000
    ratio: Annotated[
        float, knob(1, 20, 0.5, ":1", "Ratio", "How many dB above the threshold become one.")
    ] = 3


class Limiter(Group, frozen=True, kw_only=True):
    """Holds the true peak under the target peak."""

    enabled: Annotated[
        bool, described("Limiter", "Hold peaks, also those between samples, under the target peak.")
    ] = True


class VoiceEnhancement(Group, frozen=True, kw_only=True):
    """Level and clarity."""

    gain: Annotated[
        float, knob(0.5, 2, 0.1, "×", "Gain", "The gain before everything else in this stage: 2 is 6 dB.")
    ] = 1.0
    normalize: Annotated[
        bool, described("Normalise loudness", "Move the loudness (BS.1770) slowly to the target level.")
    ] = False
    target_level: Annotated[
        float, knob(-36, -6, 1, "LUFS", "Target level", "The loudness that normalisation aims at.")
    ] = -18
    target_peak: Annotated[
        float, knob(0, 1, 0.05, "FS", "Target peak", "The highest true peak that the limiter lets pass.")
    ] = 0.85
    compressor: Compressor = Compressor()
    clarity: Clarity = Clarity()
    de_esser: DeEsser = DeEsser()
    limiter: Limiter = Limiter()


class VoiceIsolation(Group, frozen=True, kw_only=True):
    """Separates what is held from what strikes."""

    enabled: Annotated[bool, described("Voice isolation", "Reduce what is not the chosen kind of sound.")] = (
        False
    )
    strength: Annotated[float, knob(0, 1, 0.05, "", "Strength", "How much of the other kind is removed.")] = (
        0.5
    )
    algorithm: Annotated[
        Literal["harmonic", "percussive"],
        described(
            "Keep",
            "The kind that stays: tones that last, as vowels, or short strokes, as keys.",
            choices={"harmonic": "Tones (harmonic)", "percussive": "Strokes (percussive)"},
        ),
    ] = "harmonic"


class ExpanderGate(Group, frozen=True, kw_only=True):
    """Makes what is quiet quieter."""

    enabled: Annotated[bool, described("Expander", "Make what is below the threshold quieter.")] = True
    threshold: Annotated[
        float, knob(-80, 0, 1, "dBFS", "Threshold", "The level below which the gain is reduced.")
    ] = -40
    ratio: Annotated[
        float, knob(1, 10, 0.5, ":1", "Ratio", "How many dB the output falls for one dB of the input.")
    ] = 2
    attack: Annotated[
        float, knob(0.001, 0.1, 0.001, "s", "Attack", "How fast the gain returns when a voice begins.")
    ] = 0.01
    release: Annotated[
        float, knob(0.02, 2, 0.01, "s", "Release", "How fast the gain falls when a voice ends.")
    ] = 0.1


class VoiceProcessing(Group, frozen=True, kw_only=True):
    """Pitch, isolation and expander."""

    preserve_pitch: Annotated[
        bool, described("Preserve pitch", "Leave the pitch as it is, whatever the pitch shift says.")
    ] = True
    pitch_shift_cents: Annotated[
        float, knob(-100, 100, 1, "cents", "Pitch shift", "100 cents are a semitone.")
    ] = 0
    formant_shift: Annotated[
        float,
        knob(-12, 12, 0.5, "semitones", "Formant shift", "Moves the resonances of the voice, not its pitch."),
    ] = 0
    formant_preservation: Annotated[
        float,
        knob(
            0, 1, 0.05, "", "Formant preservation", "1 keeps the resonances where they were as pitch moves."
        ),
    ] = 1
    voice_isolation: VoiceIsolation = VoiceIsolation()
    expander_gate: ExpanderGate = ExpanderGate()


class Silence(Group, frozen=True, kw_only=True):
    """Shortens pauses."""

    threshold: Annotated[
        float, knob(-80, -20, 1, "dBFS", "Threshold", "What is below this RMS level is silence.")
    ] = -45
    min_duration: Annotated[
        int,
        knob(100, 1000, 50, "ms", "Shortest pause", "Pauses that are shorter than this stay as they are."),
    ] = 200
    trim_start: Annotated[bool, described("Trim the start", "Remove silence before the first sound.")] = True
    trim_end: Annotated[bool, described("Trim the end", "Remove silence after the last sound.")] = True
    pad_duration: Annotated[
        int, knob(0, 500, 50, "ms", "Padding", "How much silence stays before and after each sound.")
    ] = 150
    use_voice_activity: Annotated[
        bool,
        described("Use voice activity", "Also remove what is loud and no voice, where the VAD stage is on."),
    ] = True
    breath_threshold: Annotated[
        float,
        knob(
            -80, -10, 1, "dBFS", "Breath threshold", "A sound under this level that is no voice is a breath."
        ),
    ] = -35
    keep_breaths: Annotated[bool, described("Keep breaths", "Leave breaths between words as they are.")] = (
        False
    )


class Resampling(Group, frozen=True, kw_only=True):
    """The rate and the word length of the output."""

    target_rate: Annotated[
        Literal[8000, 16000, 22050, 44100, 48000],
        described("Target rate", "Samples a second of the output; speech recognition wants 16 000.", "Hz"),
    ] = 16000
    quality: Annotated[
        Literal["high", "medium", "low"],
        described(
            "Quality",
            "Attenuation of what would alias: 100, 80 or 60 dB.",
            choices={"high": "High: 100 dB", "medium": "Medium: 80 dB", "low": "Low: 60 dB"},
        ),
    ] = "high"
    anti_alias: Annotated[
        bool, described("Anti-alias filter", "Remove what the target rate cannot hold before converting.")
    ] = True
    filter_order: Annotated[
        int,
        knob(
            16,
            512,
            16,
            "taps",
            "Filter order",
            "Longer filters have a narrower transition, and more latency.",
        ),
    ] = 128
    dithering: Annotated[
        bool,
        described("Dither", "Add noise of one step of 16 bits before rounding, so that rounding is no tone."),
    ] = True
    dither_type: Annotated[
        Literal["triangular", "rectangular", "none"],
        described(
            "Dither's shape",
            "Triangular makes the error independent of the signal.",
            choices={"triangular": "Triangular", "rectangular": "Rectangular", "none": "None"},
        ),
    ] = "triangular"


class Parameters(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """All parameters of the pipeline."""

    voice_filter: VoiceFilter = VoiceFilter()
    vad: Vad = Vad()
    noise_reduction: NoiseReduction = NoiseReduction()
    voice_enhancement: VoiceEnhancement = VoiceEnhancement()
    voice_processing: VoiceProcessing = VoiceProcessing()
    silence: Silence = Silence()
    resampling: Resampling = Resampling()
