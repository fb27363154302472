"""The Lua scripts of the Redis store; a package, so that they travel in the wheel. `lua.py` runs them."""
