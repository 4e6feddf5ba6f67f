"""Calls to language models: every answer is durable before it is used, and nothing is paid for twice."""
