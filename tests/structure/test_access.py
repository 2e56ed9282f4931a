"""Who may do what is decided in one function, which is asked at the doors alone."""

import ast

from tests.structure.sources import sources

#: The doors of HTTP, handshake and message, and what looks up sessions' keys for them.
DOORS = {
    "web/http_door.py",
    "websocket/connections/handshake.py",
    "websocket/message_door.py",
    "websocket/sessions/session_access.py",
}

#: What no other module may import: the decision and what it rests on.
DECIDES = {
    "orch.access.permissions": {"allowed", "Decision", "Resource"},
    "orch.access.origins": {"foreign_page"},
    "orch.access.actors": {"identify", "is_local", "is_forwarded", "bearer", "cookie", "is_served_host"},
}

#: Reads whether an actor is an operator without deciding by it, with the reason.
READS_ACTOR = {
    "websocket/connections/connections.py": "closes operators' connections when the token has changed",
    "gateway/sockets/visits.py": "closes operators' WebSockets to back ends when the token has changed",
}


def test_the_decision_is_asked_for_at_the_doors_alone() -> None:
    """Views and handlers get what they may see; none of them decides."""
    asking = {
        name
        for name, source in sources(without="access").items()
        for node in source.nodes(ast.ImportFrom)
        if {each.name for each in node.names} & DECIDES.get(node.module or "", set())
    }
    assert asking == DOORS


def test_nobody_else_looks_at_what_an_actor_is() -> None:
    """Neither ``is_operator`` nor ``is_local`` is read outside of orch/access."""
    reading = {
        name
        for name, source in sources(without="access").items()
        for node in source.nodes(ast.Attribute)
        if node.attr in ("is_operator", "is_local")
    }
    assert reading == set(READS_ACTOR)


def test_parts_are_known_where_the_service_is_put_together_alone() -> None:
    """Everything else gets what it needs by its constructor, so that a test can give it just that."""
    knowing = {
        name
        for name, source in sources(without="access").items()
        for node in source.nodes(ast.ImportFrom)
        if node.module == "orch.wiring.parts"
    }
    elsewhere = {name for name in knowing if not name.startswith("wiring/")}
    assert elsewhere == {"tree.py", "serving.py"}
