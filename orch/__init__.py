"""The orchestration service in front of live speech translation: speech in, translated captions out."""
