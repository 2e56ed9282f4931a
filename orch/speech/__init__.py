"""From PCM to captions: utterances are queued, transcribed and translated, in order.

`stream.py` is one participant's speech, `backlog.py` decides what is transcribed next, `transcriber.py` and
`translator.py` speak to the back ends, `exports.py` writes transcripts as files.
"""
