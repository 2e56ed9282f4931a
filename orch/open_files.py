"""The limit of open files of this process."""

import resource

import structlog

log = structlog.get_logger("descriptors")


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one; return what holds now.

    The soft one is there for programs that use ``select``, which this one does not; 1,024 of it is what a
    shell or systemd gives a program that has not said otherwise. Children inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in {hard, resource.RLIM_INFINITY}:
        return limit()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # macOS allows less than it says
        log.warning("open files limit not raised", soft=soft, hard=hard, reason=str(error))
    return limit()


def limit() -> int:
    """Return how many files may be open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 - 1 if soft == resource.RLIM_INFINITY else soft
