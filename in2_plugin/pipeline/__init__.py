"""Run the stages of a build (`stages/`) alone or in array jobs; estimate and preview a build from a sample."""
