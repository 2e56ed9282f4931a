from orch.web.security import CONTENT_SECURITY_POLICY, HEADERS, embeddable_policy, headers_of


def test_the_policy_allows_nothing_inline_and_no_other_origin() -> None:
    """It has no exception that a later page could rely on."""
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY
    assert "default-src 'self'" in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


def test_a_page_can_be_embedded_by_listed_origins_alone() -> None:
    """Without any it has the policy of every other page."""
    assert embeddable_policy(()) == CONTENT_SECURITY_POLICY
    listed = embeddable_policy(["https://slides.example", "https://*.team.example"])
    assert listed.endswith("; frame-ancestors https://slides.example https://*.team.example")
    assert listed.partition("frame-ancestors")[0] == CONTENT_SECURITY_POLICY.partition("frame-ancestors")[0]


def test_only_scripts_and_styles_go_without_a_policy_of_their_own() -> None:
    """What a browser can show as a page has all of them: SVG, JSON, errors, and what has no type."""
    for mimetype in ("text/html", "image/svg+xml", "application/json", "text/plain", ""):
        assert headers_of(mimetype) == HEADERS
    for mimetype in ("text/javascript", "text/css"):
        assert headers_of(mimetype) == {
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }


def test_a_worker_has_a_policy_of_its_own() -> None:
    """What the page forbids is forbidden to its workers by their own response alone."""
    assert headers_of("text/javascript", path="/static/1/js/audio/workers/diagnostic-worker.js") == HEADERS
    assert headers_of("text/javascript", path="/static/1/js/audio/analysis/levels.js") != HEADERS
