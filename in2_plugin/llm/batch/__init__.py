"""Requests through OpenAI's Batch API."""
