"""The control API, one blueprint a resource. Each gets the services that it needs."""
