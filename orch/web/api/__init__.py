"""The control API, one blueprint a resource."""
