"""Writes each defect of the table into a copy of the tree, and shows that what the table names catches it.

    python tests/simulation/mutations/prove.py [part of a name ...]

The tree itself is never touched. Exit code 1 if a defect gets through, or its place in the code is not found any more.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(Path(__file__).parent))
from table import MUTATIONS, SEEDS, SIMULATION, Mutation  # noqa: E402

PARTS = ("agent", "carriers", "gateway", "tests", "pyproject.toml", "config.yaml")
PROGRAM = """
import sys
from gateway.simulation.runs import run_world
first = int(sys.argv[2])
for seed in [first, *(seed for seed in range(int(sys.argv[1])) if seed != first)]:
    try:
        found = run_world(seed)[1].violations
    except Exception as error:
        found = (f"the world itself broke: {type(error).__name__}: {error}",)
    if found:
        print(f"seed {seed}: {found[0]}")
        sys.exit(1)
"""
LONGEST_S = 900
BEFORE = 5
"""So many worlds must hold without any defect."""


def prove(mutation: Mutation, seeds: int = SEEDS) -> tuple[bool, str]:
    """Whether it was caught, and how."""
    with tempfile.TemporaryDirectory(prefix="holdline-mutation-") as folder:
        copy = Path(folder)
        for part in PARTS:
            _copy(ROOT / part, copy / part)
        place = copy / mutation.file
        text = place.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            return False, f"its place is there {text.count(mutation.old)} times in {mutation.file}"
        place.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        try:
            return (
                _by_worlds(copy, seeds, mutation.seed)
                if mutation.caught_by == SIMULATION
                else _by_tests(copy, mutation.caught_by)
            )
        except subprocess.TimeoutExpired:
            return False, f"nothing was found in {LONGEST_S} s"


def _by_worlds(copy: Path, seeds: int, first: int) -> tuple[bool, str]:
    ran = _run(copy, [sys.executable, "-c", PROGRAM, str(seeds), str(first)])
    told = ran.stdout.strip().splitlines()
    if ran.returncode == 1 and told:
        return True, told[-1][:150]
    return False, f"{seeds} worlds noticed nothing" if ran.returncode == 0 else (ran.stderr.strip().splitlines() or ["?"])[-1]


def _by_tests(copy: Path, tests: str) -> tuple[bool, str]:
    ran = _run(copy, [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", *tests.split()])
    told = [line for line in ran.stdout.splitlines() if line.startswith("FAILED")] or ran.stdout.strip().splitlines()[-1:]
    return ran.returncode == 1, (told or ["?"])[0][:150]


def _run(copy: Path, words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(words, cwd=copy, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.wav"))
    else:
        shutil.copy(source, target)


def sound() -> str:
    """What is wrong with the tree before anything is written into it: whatever is broken anyhow catches everything."""
    ran = _run(ROOT, [sys.executable, "-c", PROGRAM, str(BEFORE), "0"])
    return (ran.stdout + ran.stderr).strip() if ran.returncode else ""


def main(words: Sequence[str]) -> int:
    """Prove those whose name holds one of the words, or all."""
    chosen = [mutation for mutation in MUTATIONS if not words or any(word in mutation.name for word in words)]
    began, through, broken = time.monotonic(), 0, sound()
    if broken:
        print(f"the tree is broken as it is: {broken}")
        return 1
    with ThreadPoolExecutor(2) as pool:
        for mutation, (caught, how) in zip(chosen, pool.map(prove, chosen), strict=True):
            through += not caught
            print(f"{'caught' if caught else 'MISSED':<7} {mutation.name:<58} {mutation.caught_by:<40} {how}", flush=True)
    print(f"{len(chosen) - through} of {len(chosen)} caught in {time.monotonic() - began:.0f} s")
    return 1 if through else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
