"""What Alex, the person of the demo, says: raw mu-law, 8 kHz, mono; made by `make.sh` beside it, which also holds the words."""

from functools import cache
from importlib.resources import files


@cache
def sentence(name: str) -> bytes:
    """One sentence by its file's name without suffix."""
    return files(__name__).joinpath(f"{name}.ulaw").read_bytes()
