"""Export a complete dataset for trainers without this package, and push it to the Hugging Face Hub."""
