"""`holdline`, with a hook that is the tests' own: dies by signal 9 before or after the first call of a coroutine method.

python dying.py gateway.runtime.dialer:Dialer._place before serve --config ...
"""

import importlib
import os
import signal
import sys
from typing import Any


def die_at(where: str, when: str) -> None:
    """`where`: module:Class.method; `when`: before or after."""
    module, _, path = where.partition(":")
    owner_name, _, name = path.partition(".")
    owner: Any = getattr(importlib.import_module(module), owner_name)
    original = getattr(owner, name)

    async def dying(*args: Any, **more: Any) -> Any:
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        await original(*args, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying)


if __name__ == "__main__":
    die_at(sys.argv[1], sys.argv[2])
    sys.argv[1:] = sys.argv[3:]
    from gateway.cli import main

    main()
