"""Calls to language models: a request goes in, a durable answer comes out, and nothing is paid for twice."""
