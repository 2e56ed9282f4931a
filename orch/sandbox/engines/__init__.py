"""Engines behind the sandbox back ends: real ones that are found on the machine, none that pretends."""
