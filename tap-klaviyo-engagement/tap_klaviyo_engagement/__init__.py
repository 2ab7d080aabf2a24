"""Singer tap for Klaviyo: segments, lists, profiles and engagement events."""
