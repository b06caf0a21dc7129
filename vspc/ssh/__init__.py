"""The operators' door: Conch, hardened, and bridged onto consoles.

`factory.Door` is all of it, `logins` what it hands to the service and asks of it. What a program
may rely on beyond `vspc.console.ports`:

- `write` keeps up to 256 KiB that the client does not take; a program that writes beyond that has
  not looked at `room` and is finished with status 1.
- `room` is at most 64 KiB, and 0 while the TCP buffer is full or keys are exchanged.
- `finish` waits at most 10 s for the client to take what was written.
- `closed` comes once, and never from within `finish`.
- `write_error` on a `Forward` becomes the reason of its refusal if `finish` comes before `start`;
  afterwards it is dropped, as `-W` has no stderr.
"""
