"""Speech models on the disk: where they are searched, and their download from the model hub."""
