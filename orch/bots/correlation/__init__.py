"""Who said which word: captions, transcript, speaking marks and tracks put together. Pure.

:class:`orch.bots.correlation.correlator.Correlator` is fed events (:mod:`orch.bots.correlation.events`) and
returns changes of names; :class:`orch.bots.correlation.record.Record` collects both for exports
(:mod:`orch.bots.correlation.exports`). See docs/bots.md.
"""
