"""Read and write a dataset folder: reader, tables, plans, and the record of its build."""
