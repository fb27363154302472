"""`holdline demo`: the lab, the gateway, and a story of calls that arrive although their carriers die.

show        from the first line to the last
stage       the processes
story       the steps, as data; alex is the person on the phone, voices what alex says
callers     the scene in which people call; parrot the agent behind a WebSocket of the one after it
lost_agent  the scene in which the agent's process is killed: mortal is the process, rungs the callers and their ladders
acting      plays one step, following tells it as it happens
witness     judges it by the lab's ledger, and by recording, which measures the stereo WAV
telling     the terminal
client      the REST calls
live        the user's own calls afterwards, with the commands of paste
"""

from gateway.demo.show import run

__all__ = ["run"]
