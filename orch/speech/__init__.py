"""From PCM to captions: utterances are queued, transcribed and translated, in order.

`stream.py` runs one speaker's stream, `utterances.py` holds its utterances and `backlog.py` decides what is
requested next; `transcriber.py` and `translator.py` send the requests, `exports.py` writes transcript files.
"""
