"""What openapi-validation is made of: an OpenAPI document, compiled into checks of requests and responses."""
