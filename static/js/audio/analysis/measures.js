/** How finely sound is measured over time. */

/** Columns of the waveform and of the voice activity a second; of the spectrogram. */
export const COLUMNS_PER_SECOND = 500;
export const SPECTROGRAM_PER_SECOND = 50;
/** Bands of the spectrogram. */
export const BANDS = 160;
