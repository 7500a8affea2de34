"""The dashboard: pages rendered here, from the same calls as the API."""
