"""Who may do what: one table, one pure decision, asked at three doors (HTTP, handshake, message)."""
