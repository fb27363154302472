"""The console's files as a browser gets them: no build step, nothing from elsewhere."""
