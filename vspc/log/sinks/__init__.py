"""Sinks: the output of VMs for other programs. A sink that stalls delays nothing else."""
