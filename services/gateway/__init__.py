"""The HTTPS API: signed requests in, requests on the bus out."""
