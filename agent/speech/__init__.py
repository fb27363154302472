"""Our own agents' sentences: raw mu-law, 8 kHz, mono; made by `make.sh` beside them, which also holds their words."""

from functools import cache
from importlib.resources import files


@cache
def known(name: str) -> bool:
    """Whether there is such a sentence."""
    return name.replace("-", "").isalnum() and files(__name__).joinpath(f"{name}.ulaw").is_file()


@cache
def sentence(name: str) -> bytes:
    """One sentence by its file's name without suffix; read from disk once per process."""
    return files(__name__).joinpath(f"{name}.ulaw").read_bytes()
