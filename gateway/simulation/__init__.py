"""Deterministic simulation: whole gateways, carriers and phones in one thread and in virtual time, every choice from a seed.

loop.py       an event loop whose time jumps to the next timer, and whose order of ready callbacks comes from the seed
processes.py  gateways that can be killed between any two steps, frozen, drained, and started again
stores.py     the way from a gateway to the store they share: delays, outages, lost answers
network.py    the way from a gateway to the carriers, and from the carriers back
sockets.py    WebSockets without a wire
lab.py        drives the carriers' pure cores (`carriers.lab.exchange`)
people.py     clients of the API, impatient and forgetful
agents.py     agents, good and bad
plan.py       what a seed means: who calls whom, what breaks, when
world.py      one world, from its plan to its verdict
truth.py      what really happened, by the lab's ledger and the wires
invariants/   the promises of Holdline, held against the truth and the store
runs.py       many worlds, in several processes of the machine
report.py     what a person reads
"""
