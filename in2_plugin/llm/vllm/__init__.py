"""Requests to vLLM in this process or on a Ray cluster."""
