"""What `python -m bot <command>` does: one module per group of commands."""
