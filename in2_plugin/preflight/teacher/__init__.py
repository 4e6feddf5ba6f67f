"""The teacher of a distillation: is it there, and what does it cost."""
