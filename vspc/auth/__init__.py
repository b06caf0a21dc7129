"""Authentication: keys, certificates, passwords, codes and the administrator's programs."""
