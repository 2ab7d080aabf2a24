"""The IAB's consent strings, decoded on their way from a Singer tap to a target."""
