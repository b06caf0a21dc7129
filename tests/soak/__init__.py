"""The soak model: virtual machines, hosts, liars and operators at random, against an oracle."""
