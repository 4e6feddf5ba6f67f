"""`in2 demo`: the whole pipeline on one real model, as durable stages with a verdict at the end."""
