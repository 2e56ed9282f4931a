"""The limit of open files of this process: read and raised."""

import resource

import structlog

log = structlog.get_logger("descriptors")


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one, and return the limit in force.

    The soft limit exists for programs that use ``select``, which this one does not; a shell or systemd sets
    it to 1,024 by default. Children inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in {hard, resource.RLIM_INFINITY}:
        return limit()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # macOS allows less than it reports
        log.warning("open files limit not raised", soft=soft, hard=hard, reason=str(error))
    return limit()


def limit() -> int:
    """Return the limit of open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 - 1 if soft == resource.RLIM_INFINITY else soft
