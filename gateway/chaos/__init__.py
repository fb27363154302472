"""Chaos on real processes: a lab, gateways, a store, a balancer and an agent are started, killed and cut off from each other
while calls go through them; afterwards the lab's ledger and the store are held against each other.

    plan        seed -> what goes wrong when, who calls whom       pure
    wire        the TCP proxy between any two that breaks the way  asyncio
    balancer    a hashing balancer (or HAProxy: haproxy)           a process of its own
    agent       an agent from outside                              a process of its own
    processes, rig, gateways                                       starting, killing, pausing, mending
    ledger      follows the lab's ledger: what happens now
    strikes     carries the plan out, at the moments that it names
    truth, replay, evidence                                        ledger + store -> what `gateway.simulation.invariants` judges
    verdict, doubles, crossings, report                            what held, what is explained, the table

What a seed fixes is the plan; what real processes make of it is never twice the same.
"""
