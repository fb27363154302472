"""`audioop`, wherever this Python keeps it: the standard library up to 3.12, the `audioop-lts` package from 3.13 on."""

import warnings

with warnings.catch_warnings():
    # 3.11 and 3.12 announce on import that 3.13 drops the module. We know: pyproject.toml names its successor.
    warnings.filterwarnings("ignore", message="'audioop' is deprecated", category=DeprecationWarning)
    from audioop import lin2ulaw, ratecv, rms, ulaw2lin

__all__ = ["lin2ulaw", "ratecv", "rms", "ulaw2lin"]
