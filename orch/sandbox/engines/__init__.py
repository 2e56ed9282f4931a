"""The engines of the sandbox back ends, as found on the machine."""
