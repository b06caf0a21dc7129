"""SSH for operators: Conch, hardened. It has no word of operators' rights, verbs or consoles.

`server.SshServer` is the factory of connections, `context.SshContext` what it needs. What a program
may rely on beyond `vspc.console.ports.Channel`:

- `write` keeps up to 256 KiB that the client does not take; a program that writes beyond that has
  not looked at `room` and is finished with status 1.
- `room` is at most 64 KiB, and 0 while the TCP buffer is full or keys are exchanged.
- `finish` waits at most 10 s for the client to take what was written.
- `closed` comes once, and never from within `finish`.
- `write_error` on a `ForwardChannel` becomes the reason of its refusal if `finish` comes before
  `start`; afterwards it is dropped, as `-W` has no stderr.
"""
