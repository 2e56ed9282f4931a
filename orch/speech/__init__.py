"""From PCM to captions: segmenting, transcribing, translating."""
