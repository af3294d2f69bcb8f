"""The store, webhooks over HTTPS, and mail over SMTP."""
