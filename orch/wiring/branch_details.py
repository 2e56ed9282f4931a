"""What the Tree page shows of each branch: a few words, and its bounded queues."""

from orch.front.servers import FrontServer
from orch.supervision.branches import Detail, Queue
from orch.wiring.parts import Parts


def stores(parts: Parts) -> Detail:
    """Return the engines, their problems if any, and their queues of operations."""
    store, status = parts.stores.engine.statistics(), parts.stores.engine.status()
    words = [store.summary, *filter(None, (status.reason, *status.cautions))]
    queues = [Queue(name="operations", fill=store.waiting, limit=store.limit)]
    if (bots := parts.stores.bot_engine) is not None:
        of_bots, load = bots.status(), bots.load()
        words += filter(None, (f"bots: {of_bots.engine}", of_bots.reason))
        queues.append(Queue(name=f"{load.what} for bots", fill=load.fill, limit=load.limit))
    return Detail(text=" · ".join(words), queues=tuple(queues))


def health(parts: Parts) -> Detail:
    """Return how many services are watched, how many of them are not healthy, and the last test speech."""
    summary = parts.health.summary()
    failing = [name for name, state in summary.items() if state not in ("healthy", "unknown")]
    words = _counted(len(summary), "service")
    words += f", {len(failing)} not healthy" if failing else ""
    last = parts.journey.statistics().last
    if last is not None and last.caption_seconds is not None:
        words += f" · test speech captioned within {last.caption_seconds:.1f} s"
    elif last is not None:
        words += f" · test speech not captioned: {last.reason}"
    return Detail(text=words)


def bots(parts: Parts) -> Detail:
    """Return how many bots run here, why none can be started, and what waits to be stored."""
    bots = parts.bots.statistics()
    queues: tuple[Queue, ...] = ()
    if parts.stored_bots is not None:
        writer = parts.stored_bots.writer.statistics()
        queues = (Queue(name="captured records", fill=writer.waiting, limit=writer.limit),)
    text = " · ".join(filter(None, (_counted(bots.running, "bot"), bots.unavailable)))
    return Detail(text=text, queues=queues)


def websocket(parts: Parts) -> Detail:
    """Return how many connections and sessions there are, lent voice models, and outboxes that are not empty.

    A voice model that cannot be loaded is in the text.
    """
    hub, voices = parts.hub.statistics(), parts.speech.statistics().voice_models
    text = f"{_counted(hub.active, 'connection')}, {_counted(hub.sessions, 'session')}"
    if voices is not None and voices.error is not None:
        text += f" · speech is found without the voice model, which cannot be loaded: {voices.error}"
    return Detail(
        text=text,
        queues=(
            Queue(name="connections", fill=hub.active, limit=hub.limit),
            *(
                ()
                if voices is None
                else (Queue(name="voice models lent", fill=voices.lent, limit=voices.limit),)
            ),
            *(
                Queue(name=f"outbox {c.connection_id}", fill=c.queued_bytes, limit=hub.outbox_limit)
                for c in hub.connections
                if c.queued_bytes > 0
            ),
        ),
    )


def traces(parts: Parts) -> Detail:
    """Return how the collector responds, how many spans it has accepted, and those that wait."""
    now = parts.traces.statistics()
    words = [f"collector {now.state}"]
    if now.reason:
        words.append(now.reason)
    words.append(f"{_counted(now.exported, 'span')} exported")
    if dropped := now.queue_full + now.undelivered + now.rejected:
        words.append(f"{dropped} dropped")
    queue = Queue(name="spans", fill=now.queued, limit=now.limit)
    return Detail(text=" · ".join(words), queues=(queue,))


def gateway(parts: Parts) -> Detail:
    """Return the rate of requests."""
    return Detail(text=f"{parts.gateway.statistics().requests_per_second:.2g} requests/s")


def front(server: FrontServer) -> Detail:
    """Return where connections are accepted, and how many are open."""
    statistics = server.statistics()
    return Detail(text=f"{', '.join(statistics.bound)}, {statistics.open} open")


def _counted(number: int, noun: str) -> str:
    """Return ``no bots``, ``1 bot``, ``2 bots``."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
