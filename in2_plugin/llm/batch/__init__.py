"""Requests through the OpenAI Batch API."""
