"""Chaos: a real server between simulated VMs and operators, and an adversary with a seeded plan.

    python -m tests.chaos SECONDS [SEED]

`streams` numbers what is said, `oracle` decides whether it arrived, `plan` is what the adversary
does when: these are pure and have tests of their own. `relay` stands between all peers and the
server. `machines`, `operators` and `programs` are the actors, `floods` and `damage` are what only
the adversary does, `lives` is the server, from start to end, again and again. `run` puts it
together and asks the oracle at the end.
"""
