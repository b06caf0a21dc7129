"""The log: what VMs said, kept on disk, by threads; attachments that never type."""
