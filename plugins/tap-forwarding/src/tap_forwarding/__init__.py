"""The rules by which site events and orders are forwarded to Klaviyo, kept as files, as Singer records."""
