"""The gateway: HTTP, server-sent events and one live page, for those without NATS."""
