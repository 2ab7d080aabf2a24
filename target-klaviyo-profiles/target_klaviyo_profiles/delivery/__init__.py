"""How records are delivered: batched, sent, followed to their end, and accounted for."""
