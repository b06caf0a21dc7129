"""`vspc init`: a first configuration, keys, and what comes next."""
