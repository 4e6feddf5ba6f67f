"""The paper's other benchmarks in a report."""
