"""What is asked of the compose files beyond the schema: versions, ports, rights, health checks, files."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

#: A version of an image names its patch release: v3.14.0, 16.15-alpine.
PINNED: Final = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.]+)*")

#: ${NAME:-default}, ${NAME:?message}, and a dollar sign.
VARIABLE: Final = re.compile(r"\$\$|\$\{\w+(?::-([^}]*)|:\?[^}]*)?\}")

#: Made by deploy-monitoring.sh, so not in the checkout.
MADE: Final = "./monitoring/secrets/"

#: Not Docker's defaults, and asked of each container.
HARDENED: Final = {"restart": "unless-stopped", "read_only": True, "cap_drop": ["ALL"]}

#: Its health check is the Dockerfile's.
OURS: Final = "orchestration"

Service = dict[str, Any]


def interpolated(value: Any) -> Any:
    """Return a value as Compose reads it where no variable is set; required ones have some value."""
    if isinstance(value, dict):
        return {key: interpolated(each) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each) for each in value]
    if not isinstance(value, str):
        return value
    return VARIABLE.sub(
        lambda found: "$" if found[0] == "$$" else ("required" if found[1] is None else found[1]), value
    )


def merged(content: dict[str, Any], included: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a file with those that it includes in it."""
    whole = {key: value for key, value in content.items() if key != "include"}
    for key in ("services", "networks", "volumes"):
        for each in included:
            whole[key] = {**each.get(key, {}), **whole.get(key, {})}
    return whole


def faults(content: dict[str, Any], networks: set[str], root: Path) -> Iterator[str]:
    """Yield what is wrong with a file. ``networks``: those that the files have together."""
    volumes = set(content.get("volumes", ()))
    for name, service in content["services"].items():
        checks = (
            _image(service),
            _mounts(service, volumes, root),
            _ports(service),
            _networks(service, networks),
            _rights(service),
            _care(name, service),
        )
        for check in checks:
            yield from (f"{name}: {fault}" for fault in check)


def _image(service: Service) -> Iterator[str]:
    if not PINNED.fullmatch(service.get("image", "")):
        yield f"{service.get('image')} is no image with a whole version"


def _mounts(service: Service, volumes: set[str], root: Path) -> Iterator[str]:
    for mounted in (each for each in service.get("volumes", ()) if isinstance(each, str)):
        source = mounted.split(":")[0]
        if source.startswith("./") and not source.startswith(MADE) and not (root / source).exists():
            yield f"{source} does not exist"
        if source.startswith("./") and not mounted.endswith(":ro"):
            yield f"{source} is not mounted read-only"
        if re.fullmatch(r"[a-z][\w-]*", source) and source not in volumes:
            yield f"the volume {source} is not declared"


def _ports(service: Service) -> Iterator[str]:
    for published in service.get("ports", ()):
        if not re.match(r"\$\{\w+:-127\.0\.0\.1\}:", published):
            yield f"{published} is published on all addresses of the machine"


def _networks(service: Service, networks: set[str]) -> Iterator[str]:
    yield from (f"there is no network {each}" for each in service.get("networks", ()) if each not in networks)


def _rights(service: Service) -> Iterator[str]:
    for key, value in HARDENED.items():
        if service.get(key) != value:
            yield f"{key} is not {value}"
    if "no-new-privileges:true" not in service.get("security_opt", ()):
        yield "programs in it can get more rights than it has"
    if service.get("privileged"):
        yield "it is privileged, which is root on this machine"
    if any("docker.sock" in str(each) for each in service.get("volumes", ())):
        yield "it has Docker's socket, which is root on this machine"


def _care(name: str, service: Service) -> Iterator[str]:
    if name != OURS and "healthcheck" not in service:
        yield "there is no health check, so nothing can wait for it"
    logging = service.get("logging", {})
    if logging.get("driver") != "json-file" or "max-size" not in logging.get("options", {}):
        yield "its output is not limited"
    if logging.get("options", {}).get("labels") != "com.docker.compose.service":
        yield "its output has no label that says which service it is of"
