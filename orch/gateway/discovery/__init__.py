"""Where the instances of services are, besides the settings: DNS, and instances that register themselves.

What is found is merged into the settings that the other parts read, so that health checks, balancing and
speech treat such an instance as any other. A look-up that fails changes nothing: the last good answer is used
however old it is, and its age is shown.
"""
