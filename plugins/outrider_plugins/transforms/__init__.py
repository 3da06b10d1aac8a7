"""What request-transform and response-transform are made of."""
