"""What is meant: from options and registrations to the endpoint to ask, and a client that may ask it."""
