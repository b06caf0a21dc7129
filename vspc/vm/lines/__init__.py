"""The three telnet layers of a VM's line, and lines without the extension."""
