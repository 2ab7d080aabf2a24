"""What a forwarding definition is: its language, its reader, and the presets, written in that language."""
