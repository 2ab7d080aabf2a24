"""Klaviyo's template language: its tags, links and rendering, and the wrapper around the slots."""
