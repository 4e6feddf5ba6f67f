"""Questions about invented records: identifiers, registers, their text, and the writer."""
