from orch.web.security import CONTENT_SECURITY_POLICY


def test_nothing_inline_and_nothing_from_elsewhere_is_allowed() -> None:
    """The policy has no hole that a later page could come to lean on."""
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY
    assert "default-src 'self'" in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY
