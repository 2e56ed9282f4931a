from orch.web.security import CONTENT_SECURITY_POLICY


def test_the_policy_allows_nothing_inline_and_no_other_origin() -> None:
    """It has no exception that a later page could rely on."""
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY
    assert "default-src 'self'" in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY
