"""What can speak gRPC with Envoy."""

ENGINE, GRPCIO = TRANSPORTS = ("engine", "grpcio")
