"""Klaviyo's documents: query strings and filters, request bodies, and how records look in answers."""
