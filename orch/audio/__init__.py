"""Sound as samples and files: reading recordings, resampling, finding speech in a stream."""
