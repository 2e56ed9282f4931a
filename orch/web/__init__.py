"""Pages and the control API: Quart blueprints, one for each resource in `api/`."""
