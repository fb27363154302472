"""A lab as a child process: `python -m carriers.lab '{"kinds": ["twilio"]}'`, ready when it prints its line of JSON.

For programs that start one (`remote.py`); people use `holdline lab`. It ends with its standard input, so that no lab outlives
whoever started it.
"""

import json
import sys

from carriers.lab.serve import run

if __name__ == "__main__":
    sys.exit(run(**{"port": 0, **json.loads(sys.argv[1])}, as_json=True, until_stdin_ends=True))
