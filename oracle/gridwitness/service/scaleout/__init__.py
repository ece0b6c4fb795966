"""Past one machine: readings over NATS JetStream, verified by any number of workers, logged by the oracle."""
