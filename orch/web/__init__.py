"""Pages and the control API."""
