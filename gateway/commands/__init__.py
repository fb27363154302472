"""What each command of `holdline` does. `gateway.cli` reads the command line and imports one of these, and no other."""
