"""What the account holds, and how a write changes it."""
