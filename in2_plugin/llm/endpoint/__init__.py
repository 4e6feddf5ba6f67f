"""Live requests to OpenAI-compatible endpoints."""
