"""Why a VM is not there, or silent: facts in, findings out."""
