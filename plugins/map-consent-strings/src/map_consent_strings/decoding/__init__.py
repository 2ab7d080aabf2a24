"""What the IAB's specifications say of the strings: bits, segments, sections. Nothing here knows of Singer."""
