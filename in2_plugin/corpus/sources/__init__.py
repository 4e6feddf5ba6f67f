"""Reading documents and conversations: local files, Hugging Face datasets, remote storage."""
