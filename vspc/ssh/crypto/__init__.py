"""Key exchange and packet protection (RFC 4253)."""
