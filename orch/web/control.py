"""Asking for the control token where a change needs one."""

from quart import request

from orch.parts import Parts
from orch.web.security import check_token


def require_control(parts: Parts) -> None:
    """Refuse the request with ``token_required`` unless it may change the service itself."""
    orchestration = parts.settings.current.orchestration
    check_token(
        bound=orchestration.frontend.host,
        host=request.host,
        authorization=request.headers.get("Authorization"),
        token=orchestration.control_token,
    )
